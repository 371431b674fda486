import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ShellText } from '../../provider/model/shell.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { inventory, stack, Workspace } from './terraform.fixture.ts';

const lab = useLab({ hosts: 1, name: 'tf-drift' });
const guest = 'stockade_guest.web1';
let workspace: Workspace;
let before: HostSnapshot;

/** What somebody does to the host, as root. */
const byHand = (text: string) => lab.host.run(ShellText.unsafelyFromProgramText(text));
const mainPid = async () =>
  Number(await byHand('systemctl show --property=MainPID --value stockade-guest@web1.service'));

interface Drift {
  readonly what: string;
  readonly hand: string;
  readonly plan: readonly RegExp[];
  /** The guest runs on. */
  readonly undisturbed?: boolean;
}

/** Drift made by hand, and all that the plan may name because of it. */
const drifts: readonly Drift[] = [
  {
    what: 'QEMU killed',
    hand: `for child in $(pgrep -P "$(systemctl show --property=MainPID --value stockade-guest@web1.service)"); do
  kill -9 "$child"
done
while systemctl is-active --quiet stockade-guest@web1.service; do sleep 0.1; done`,
    plan: [
      /web1 integrity\.isolation: "no process" -> "ok"/,
      /web1 integrity\.process: "not running" -> "ok"/,
      /web1 state: "stopped" -> "running"/,
    ],
  },
  {
    what: 'a user deleted',
    hand: 'sed -i /^xen-qemuuser-domid7:/d /etc/passwd /etc/shadow /etc/group',
    plan: [
      /qemu_users\.h1 integrity\.groups: "missing xen-qemuuser-domid7" -> "ok"/,
      /qemu_users\.h1 integrity\.users: "missing xen-qemuuser-domid7" -> "ok"/,
    ],
  },
  {
    what: 'the user of the guest itself deleted',
    hand: 'sed -i /^xen-qemuuser-domid1:/d /etc/passwd /etc/shadow /etc/group',
    plan: [
      /qemu_users\.h1 integrity\.groups: "missing xen-qemuuser-domid1" -> "ok"/,
      /qemu_users\.h1 integrity\.users: "missing xen-qemuuser-domid1" -> "ok"/,
    ],
    undisturbed: true,
  },
  {
    what: 'the chroot made writable',
    hand: 'chmod 0777 /run/stockade/root/web1',
    plan: [
      /web1 integrity\.chroot: "mode 0777, not 0000" -> "ok"/,
      /web1 integrity\.isolation: "chroot .*0777.*" -> "ok"/,
    ],
  },
  {
    what: 'the chroot filled',
    hand: 'echo surprise >/run/stockade/root/web1/left-behind',
    plan: [
      /web1 integrity\.chroot: "not empty: .*left-behind.*" -> "ok"/,
      /web1 integrity\.isolation: "chroot .*" -> "ok"/,
    ],
  },
  {
    what: 'the unit template edited',
    hand: 'echo "# edited" >>/etc/systemd/system/stockade-guest@.service',
    plan: [/stockade_host\.h1 integrity\.unit_template: "was edited" -> "ok"/],
  },
  {
    what: "the guest's own drop-in edited",
    hand: 'echo "# edited" >>/etc/systemd/system/stockade-guest@web1.service.d/10-stockade.conf',
    plan: [/web1 integrity\.unit: "10-stockade.conf was edited" -> "ok"/],
  },
  {
    what: 'a drop-in added',
    hand: "printf '[Service]\\nNoNewPrivileges=no\\n' >/etc/systemd/system/stockade-guest@web1.service.d/99-mine.conf",
    plan: [/web1 integrity\.unit: "has an addition: .*99-mine.conf.*" -> "ok"/],
  },
  {
    what: 'the launcher edited',
    hand: 'echo "# edited" >>/var/lib/stockade/guests/web1/launch',
    plan: [/web1 integrity\.launcher: "was edited" -> "ok"/],
  },
  {
    what: 'the record edited',
    hand: "sed -i 's/^digest ./digest 0/; s/^digest 0\\(.\\)./digest 0\\1f/' /var/lib/stockade/guests/web1/record",
    plan: [/web1 integrity\.record: "was edited" -> "ok"/],
  },
  {
    what: 'a directory opened to others',
    hand: 'chmod 0755 /var/lib/stockade/files',
    plan: [/stockade_host\.h1 integrity\.directories: ".*files has mode 0755, not 0700" -> "ok"/],
  },
];

describe('a guest that was deployed', () => {
  beforeAll(async () => {
    before = await snapshotHost(lab.host);
    workspace = await Workspace.make(await stack({ hosts: inventory(lab.host) }));
    await workspace.apply();
  });
  afterAll(() => workspace.remove());

  it('runs, and shows no changes', async () => {
    expect(await workspace.state(guest)).toMatchObject({ id: 'h1/web1', domid: 1, state: 'running' });
    expect(await workspace.plan()).toMatchObject({ exitCode: 0, actions: {} });
  });

  for (const { what, hand, plan, undisturbed = false } of drifts) {
    it(`is healed: ${what}`, async () => {
      const pid = await mainPid();
      await byHand(hand);
      const { exitCode, differences, output } = await workspace.plan();
      expect({ exitCode, differences }, output).toEqual({
        exitCode: 2,
        differences: plan.map((pattern) => expect.stringMatching(pattern) as string),
      });
      await workspace.apply();
      expect(await workspace.plan()).toMatchObject({ exitCode: 0, differences: [] });
      if (undisturbed) expect(await mainPid()).toBe(pid);
    });
  }

  it('keeps for a look what was found in its chroot', async () => {
    expect(await byHand('cat /run/stockade/tampered/web1-*/left-behind')).toBe('surprise\n');
    await byHand('rm -rf /run/stockade/tampered/web1-*');
  });

  it('restarts, announced, where its memory changes in the code', async () => {
    const pid = await mainPid();
    workspace.write(await stack({ hosts: inventory(lab.host), guest: { memory_mib: 192 } }));
    const { actions, differences, output } = await workspace.plan();
    expect(actions).toEqual({ [guest]: 'update' });
    expect(differences).toEqual([`${guest} memory_mib: 128 -> 192`]);
    expect(output).toContain('Warning: guest web1 on h1 restarts: memory_mib 128 -> 192');
    await workspace.apply();
    expect(await mainPid()).not.toBe(pid);
    expect(await workspace.state(guest)).toMatchObject({ memory_mib: 192, domid: 1, state: 'running' });
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it('goes on running where only its supervision changes', async () => {
    const pid = await mainPid();
    const change = { memory_mib: 192, restart_policy: 'on_crash' };
    workspace.write(await stack({ hosts: inventory(lab.host), guest: change }));
    const { output } = await workspace.plan();
    expect(output).toContain('guest web1 on h1 is changed while it runs: restart_policy never -> on_crash');
    await workspace.apply();
    expect(await mainPid()).toBe(pid);
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it('leaves the host as it was when it is destroyed', async () => {
    await workspace.destroy();
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });

  it('comes back when its host is rebooted, and shows no changes', async () => {
    await workspace.apply();
    await lab.host.reboot();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0, differences: [] });
    await workspace.destroy();
  });
});
