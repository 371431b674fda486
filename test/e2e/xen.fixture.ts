import { lines, sh, type ShellText, word, words } from '../../provider/model/shell.ts';
import { fdCheckSection } from '../../provider/toolstacks/xl/fd-check.ts';
import { type DomainHandles, parseFdCheck } from '../../provider/toolstacks/xl/fd-check-parse.ts';
import { bootSectorDisk, bootSectorGreeting } from '../lab/guest/boot-sector.ts';
import type { TestHost } from '../lab/test-host.ts';
import { value } from './preparation.fixture.ts';

/** Where the device model of a restricted guest gets its uid from: this and the domid. Above every range of subordinate uids. */
export const rangeBase = 300_000;

/** Makes the account whose uid libxl counts from. */
export const makeRangeBase: ShellText = sh`useradd --system --user-group --uid ${rangeBase} --no-create-home --shell /usr/sbin/nologin xen-qemuuser-range-base`;

const placeOf = (name: string): string => `/srv/xl/${name}`;

/** Creates an HVM guest of a boot sector, and returns its domid once it has greeted. */
export async function createGuest(host: TestHost, name: string, restricted: boolean): Promise<number> {
  const place = placeOf(name);
  await host.write(`${place}.img`, bootSectorDisk());
  await host.write(`${place}.cfg`, configuration(name, restricted));
  await host.run(['xl', 'create', `${place}.cfg`]);
  await host.run(
    sh`until grep -q ${word(bootSectorGreeting)} ${word(`${place}.serial`)}; do sleep 0.5; done`,
  );
  return Number(await host.run(['xl', 'domid', name]));
}

function configuration(name: string, restricted: boolean): string {
  const settings = {
    name,
    type: 'hvm',
    memory: 32,
    vcpus: 1,
    dm_restrict: restricted ? 1 : 0,
    disk: [`format=raw,vdev=hda,access=rw,target=${placeOf(name)}.img`],
    serial: `file:${placeOf(name)}.serial`,
    vga: 'none',
    vnc: 0,
    on_crash: 'destroy',
  };
  return `${Object.entries(settings)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
    .join('\n')}\n`;
}

/** A device model as `/proc` shows it. */
export interface DeviceModel {
  readonly pid: number;
  /** Of `/proc/PID/status`, by name. */
  readonly status: ReadonlyMap<string, string>;
  /** Of `/proc/PID/root`. */
  readonly root: string;
  /** Name and id of each that is not the first process's. */
  readonly ownNamespaces: readonly string[];
}

const kinds = ['mnt', 'ipc', 'uts', 'net', 'pid', 'cgroup'] as const;

/** Looks at the device model that xenstore names. */
export async function deviceModelOf(host: TestHost, domid: number): Promise<DeviceModel> {
  const pid = Number(await host.run(['xenstore-read', `/local/domain/${domid}/image/device-model-pid`]));
  const ids = lines(kinds.map((kind) => sh`readlink /proc/1/ns/${word(kind)} /proc/${pid}/ns/${word(kind)}`));
  const told = await host.run(sh`readlink /proc/${pid}/root
${ids}
cat /proc/${pid}/status`);
  const [root = '', ...rest] = told.split('\n');
  const namespaces = rest.slice(0, 2 * kinds.length);
  const status = rest.slice(namespaces.length).map((line) => line.split(/:\s*/, 2) as [string, string]);
  return {
    pid,
    root,
    status: new Map(status),
    ownNamespaces: kinds.filter((_, index) => namespaces[2 * index] !== namespaces[2 * index + 1]),
  };
}

/** What Xen's checker says of the guest's device model. */
export async function handlesOf(host: TestHost, name: string): Promise<DomainHandles> {
  const vm = (await host.run(sh`xenstore-read "/local/domain/$(xl domid ${word(name)})/vm"`)).trim();
  const uuid = vm.slice('/vm/'.length);
  const section = fdCheckSection([uuid, 'none-of-this-name']);
  const told = await host.run(sh`set -- ${words(section.arguments)}
${section.body}`);
  const checked = value(parseFdCheck(Buffer.from(told)));
  const found = checked.get(uuid);
  if (found === undefined || checked.size !== 1) {
    throw new Error(`the handles of ${name} were not checked: ${JSON.stringify(told)}`);
  }
  return found;
}
