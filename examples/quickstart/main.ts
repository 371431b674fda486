// One restricted guest on one host, with the proof of its isolation.
import { App, TerraformOutput, TerraformStack } from 'cdktf';
import { HypervisorHost, RestrictedGuest, StockadeFleet } from '../../constructs/index.ts';
import { readSettings } from './settings.ts';

const settings = readSettings();
const app = new App();
const stack = new TerraformStack(app, 'quickstart');

// Who owns what is made on hosts, and how they are reached.
const fleet = new StockadeFleet(stack, 'fleet', { fleet: 'quickstart', hosts: { hv1: settings.host } });

// Prepares the host: directories, unit template, logger user.
const hv1 = new HypervisorHost(stack, 'hv1', { fleet });

// One user per possible guest.
const users = hv1.qemuUsers({ lastDomid: 32 });

// The guest. Every layer of isolation is on; there is nothing to switch on.
const web1 = new RestrictedGuest(stack, 'web1', {
  users,
  memoryMib: 128,
  accelerator: settings.accelerator,
  kernel: { file: settings.kernel },
  initrd: { file: settings.initrd },
  commandLine: 'console=ttyS0 loglevel=6',
});

new TerraformOutput(stack, 'guest', { value: { name: web1.name, domid: web1.domid, uid: web1.uid } });

// What the live processes show, layer by layer.
new TerraformOutput(stack, 'isolation', { value: web1.evidence.states });

app.synth();
