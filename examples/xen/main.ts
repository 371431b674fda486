// One fleet of two hosts: QEMU runs the guests of one, Xen's xl those of the other. The guests' definition is the same.
import { App, TerraformOutput, TerraformStack } from 'cdktf';
import {
  HypervisorHost,
  layersWithoutXl,
  type QemuUsers,
  RestrictedGuest,
  StockadeFleet,
} from '../../constructs/index.ts';
import { readSettings } from './settings.ts';

const settings = readSettings();
const app = new App();
const stack = new TerraformStack(app, 'xen');
const { hv1, xen1 } = settings.hosts;
const fleet = new StockadeFleet(stack, 'fleet', { fleet: 'xen-example', hosts: { hv1, xen1 } });

// Only the host says what runs its guests.
const qemu = new HypervisorHost(stack, 'hv1', { fleet });
const xen = new HypervisorHost(stack, 'xen1', { fleet, toolstack: 'xl' });

// What libxl does not give is missing there and nowhere else: plan and evidence say so.
const web = (users: QemuUsers, accelerator: 'kvm' | 'tcg') =>
  new RestrictedGuest(users, 'web1', {
    users,
    memoryMib: settings.memoryMib,
    accelerator,
    kernel: { file: settings.kernel },
    ...(settings.initrd === undefined ? {} : { initrd: { file: settings.initrd } }),
    commandLine: 'console=ttyS0 loglevel=6',
    isolation: { mayBeMissing: [...layersWithoutXl] },
  });

const guests = {
  hv1: web(qemu.qemuUsers({ lastDomid: 32 }), settings.accelerator),
  // uid = base + domid, by libxl itself
  xen1: web(xen.qemuUsers({ scheme: 'range', lastDomid: 32_751 }), 'kvm'),
};

// The Xen host's domid is another one after each start.
new TerraformOutput(stack, 'domid', { value: { hv1: guests.hv1.domid, xen1: guests.xen1.domid } });
new TerraformOutput(stack, 'isolation', {
  value: {
    hv1: guests.hv1.evidence.states,
    xen1: { ...guests.xen1.evidence.states, 'xen-handles': guests.xen1.evidence.stateOf('xen-handles') },
  },
});

app.synth();
