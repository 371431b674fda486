import { rmSync, statSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LaunchDisk } from '../../provider/jail/launch-plan.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import type { GuestEvidence } from '../../provider/model/evidence.ts';
import { sh, word } from '../../provider/model/shell.ts';
import { buildGuestImage } from '../lab/guest/image.ts';
import { guestBanner, guestCommandLine, microvmCommandLine } from '../lab/guest/init.ts';
import { useLab } from '../lab/vitest.ts';
import { faults, type GuestOptions, JailHost, type TestGuest, withoutView } from './jail.fixture.ts';

const running = useLab({ hosts: 1, name: 'disks' });
const canary = 'canary of root: nobody else may read this';
let jail: JailHost;

beforeAll(async () => {
  jail = new JailHost(running.host);
  await jail.prepare(await buildGuestImage());
  await running.host.run(sh`mkdir -p /srv/disks
cd /srv/disks
truncate -s 16M raw.img && echo 'a raw disk' | dd of=raw.img conv=notrunc status=none
truncate -s 16M base.img && echo 'the base image' | dd of=base.img conv=notrunc status=none
qemu-img create -q -f qcow2 -b /srv/disks/base.img -F raw middle.qcow2
qemu-img create -q -f qcow2 -b /srv/disks/middle.qcow2 -F qcow2 top.qcow2
truncate -s 1M /root/secret && echo ${word(canary)} | dd of=/root/secret conv=notrunc status=none
chmod 0600 /root/secret
chmod 0644 *`);
});

const disk = (name: string, change: Partial<LaunchDisk> = {}): LaunchDisk => ({
  name,
  path: `/srv/disks/${name}.img`,
  format: 'raw',
  readonly: false,
  backing: [],
  sizeMib: 16,
  ...change,
});

function place(options: GuestOptions): TestGuest {
  const start = options.guest?.machine === 'microvm' ? microvmCommandLine : guestCommandLine;
  return jail.place({
    qemu: [],
    initrd: 'disk',
    ...options,
    commandLine: `${start} ${options.commandLine ?? ''}`,
  });
}

/** What the guest has said when its userland is up, or when it has ended. */
async function serialOf(guest: TestGuest): Promise<string> {
  return jail.until(
    () => jail.log(guest, 'serial'),
    (text) => text.includes(guestBanner),
  );
}

/** What the layer `open-files` has seen. */
function observedFiles(evidence: GuestEvidence | undefined): string {
  return evidence?.layers.find((each) => each.layer === 'open-files')?.observed ?? '';
}

const diskLines = (serial: string) => serial.split(/\r?\n/).filter((line) => line.startsWith('disk '));

/** The error of a launch that is to fail at the step `disks`. */
async function refusal(guest: TestGuest): Promise<string> {
  await jail.startDoomed(guest);
  const status = await jail.until(
    () => jail.unitProperty(guest, 'ExecMainStatus'),
    (code) => code !== '0',
  );
  expect(status).toBe('50');
  return running.host.run(['cat', guestPlaces(guest.name).launchError]);
}

describe.each(['q35', 'pc', 'microvm'] as const)('a guest with disks on %s', (machine) => {
  it('boots, finds them by name and order, writes, and is confined as any other', async () => {
    await running.host.run(sh`cd /srv/disks && cp raw.img ${word(`${machine}.img`)}
qemu-img create -q -f qcow2 -b /srv/disks/middle.qcow2 -F qcow2 ${word(`${machine}.qcow2`)}`);
    const disks = [
      disk(machine),
      disk('system', {
        path: `/srv/disks/${machine}.qcow2`,
        format: 'qcow2',
        backing: [
          { path: '/srv/disks/middle.qcow2', format: 'qcow2' },
          { path: '/srv/disks/base.img', format: 'raw' },
        ],
      }),
      disk('tools', { path: '/srv/disks/base.img', readonly: true }),
    ];
    const guest = place({ guest: { machine, disks }, commandLine: 'disk_write=by-the-guest' });
    await jail.start(guest);
    const serial = await serialOf(guest);
    expect(diskLines(serial)).toEqual([
      `disk vda serial=${machine} bytes=16777216 ro=0 text=[a raw disk]`,
      'disk vdb serial=system bytes=16777216 ro=0 text=[the base image]',
      'disk vdc serial=tools bytes=16777216 ro=1 text=[the base image]',
      'disk write ok',
    ]);
    const [evidence] = await jail.settled(guest);
    if (evidence === undefined) throw new Error('no evidence');
    expect(faults(evidence)).toEqual({});
    await jail.stop(guest);
    const written = await running.host.run(
      sh`dd if=${word(`/srv/disks/${machine}.img`)} bs=512 skip=128 count=1 status=none`,
    );
    expect(written.trim()).toBe('by-the-guest');
  });
});

describe('an image whose header names another file', () => {
  /** A guest whose disk is told to be QEMU's to look into: what the launcher's guests never are. */
  async function withoutPinning(path: string): Promise<string> {
    const guest = place({ qemu: ['-drive', `file=${path},if=virtio`], breakLauncher: withoutView });
    await jail.start(guest);
    const serial = await serialOf(guest);
    await jail.stop(guest);
    return serial;
  }

  it('is nowhere to be found from the root of a guest, though QEMU were told to look into it', async () => {
    await running.host.run(sh`qemu-img create -q -f qcow2 -b /root/secret -F raw /srv/disks/seen.qcow2 1M`);
    const seen = disk('seen', { path: '/srv/disks/seen.qcow2', format: 'qcow2', readonly: true });
    const more = ['-drive', 'file=/srv/disks/seen.qcow2,if=virtio,readonly=on'];
    const guest = place({ guest: { disks: [seen] }, qemu: more });
    await jail.startDoomed(guest);
    const said = await jail.until(
      () => jail.log(guest, 'stderr'),
      (text) => text.includes('/root/secret'),
    );
    expect(said).toContain("Could not open '/root/secret': No such file or directory");
  });

  it('as its backing file gets nothing of it', async () => {
    await running.host.run(
      sh`cd /srv/disks && qemu-img create -q -f qcow2 -b /root/secret -F raw evil.qcow2 1M && cp evil.qcow2 control.qcow2`,
    );
    expect(await withoutPinning('/srv/disks/control.qcow2')).toContain(canary);
    const evil = disk('evil', { path: '/srv/disks/evil.qcow2', format: 'qcow2' });
    const guest = place({ guest: { disks: [evil] } });
    await jail.start(guest);
    const serial = await serialOf(guest);
    expect(diskLines(serial)).toEqual(['disk vda serial=evil bytes=1048576 ro=0 text=[]']);
    expect(serial).not.toContain('canary');
    await jail.stop(guest);
  });

  it('further down the chain gets nothing of it', async () => {
    await running.host.run(
      sh`cd /srv/disks && qemu-img create -q -f qcow2 -b /srv/disks/control.qcow2 -F qcow2 over.qcow2 1M`,
    );
    const over = disk('over', {
      path: '/srv/disks/over.qcow2',
      format: 'qcow2',
      backing: [{ path: '/srv/disks/control.qcow2', format: 'qcow2' }],
    });
    const guest = place({ guest: { disks: [over] } });
    await jail.start(guest);
    expect(diskLines(await serialOf(guest))).toEqual(['disk vda serial=over bytes=1048576 ro=0 text=[]']);
    await jail.stop(guest);
  });

  it('as the place of its data is not taken', async () => {
    await running.host.run(sh`cd /srv/disks && cp /root/secret /root/kept
qemu-img create -q -f qcow2 -o data_file=/root/secret,data_file_raw=on ext.qcow2 1M
cp /root/kept /root/secret && cp ext.qcow2 ext-control.qcow2`);
    expect(await withoutPinning('/srv/disks/ext-control.qcow2')).toContain(canary);
    const guest = place({
      guest: { disks: [disk('ext', { path: '/srv/disks/ext.qcow2', format: 'qcow2' })] },
    });
    expect(await refusal(guest)).toContain('/srv/disks/ext.qcow2 keeps its data in another file');
    const below = place({
      guest: {
        disks: [
          disk('over', {
            path: '/srv/disks/top.qcow2',
            format: 'qcow2',
            backing: [{ path: '/srv/disks/ext.qcow2', format: 'qcow2' }],
          }),
        ],
      },
    });
    expect(await refusal(below)).toContain('/srv/disks/ext.qcow2 keeps its data in another file');
  });

  it('of a format that was written into a raw disk is a raw disk still', async () => {
    await running.host.run(sh`cd /srv/disks && cp evil.qcow2 was-raw.img`);
    const guest = place({ guest: { disks: [disk('was-raw')] } });
    await jail.start(guest);
    const [line] = diskLines(await serialOf(guest));
    expect(line).toMatch(/^disk vda serial=was-raw bytes=197120 ro=0 text=\[QFI/);
    expect(line).not.toContain('canary of root');
    await jail.stop(guest);
  });
});

describe('a launch is refused', () => {
  it.each<[string, string, LaunchDisk, RegExp]>([
    ['an image that is not there', ':', disk('none'), /none.img is not there/],
    ['a directory', 'mkdir dir.img', disk('dir'), /dir.img is no regular file/],
    ['a FIFO', 'mkfifo fifo.img', disk('fifo'), /fifo.img is no regular file/],
    [
      'a symbolic link',
      'ln -s /root/secret link.img',
      disk('link'),
      /link.img leads over a symbolic link: give the file's own path, \/root\/secret/,
    ],
    [
      'a symbolic link above it',
      'ln -s /srv/disks /srv/elsewhere',
      disk('raw', { path: '/srv/elsewhere/raw.img' }),
      /give the file's own path, \/srv\/disks\/raw.img/,
    ],
    [
      "somebody else's directory",
      'mkdir theirs && cp raw.img theirs && chown plain theirs',
      disk('theirs', { path: '/srv/disks/theirs/raw.img' }),
      /theirs belongs to uid 1001/,
    ],
    [
      "somebody else's image",
      'cp raw.img own.img && chown plain own.img',
      disk('own'),
      /own.img belongs to uid 1001/,
    ],
    ['a larger image', 'truncate -s 17M large.img', disk('large'), /is larger than its size_mib allows/],
    [
      'a qcow2 image that is larger inside',
      'qemu-img create -q -f qcow2 inside.img 17M',
      disk('inside', { format: 'qcow2' }),
      /larger for the guest than its size_mib: 17825792 bytes, not 16777216/,
    ],
    ['a qcow2 image that is none', ':', disk('raw', { format: 'qcow2' }), /raw.img is no qcow2 image/],
    ['a device node that is no block device', ':', disk('dev', { path: '/dev/null' }), /is no block device/],
  ])('for %s', async (_what, before, refused, message) => {
    await running.host.run(['sh', '-c', `cd /srv/disks && ${before}`]);
    expect(await refusal(place({ guest: { disks: [refused] } }))).toMatch(message);
  });

  it('for a disk that another guest has open, which QEMU itself would refuse too', async () => {
    await running.host.run(sh`cd /srv/disks && cp raw.img shared.img`);
    const disks = [disk('shared')];
    const first = place({ guest: { disks } });
    await jail.start(first);
    await serialOf(first);
    expect(await refusal(place({ guest: { disks } }))).toContain('shared.img is in use');
    const unlocked = place({
      guest: { disks },
      breakLauncher: (script) => script.replace(/^ {2}flock .*$/m, '  :'),
    });
    await jail.startDoomed(unlocked);
    const said = await jail.until(
      () => jail.log(unlocked, 'stderr'),
      (text) => text.includes('lock'),
    );
    expect(said).toContain('Failed to get "write" lock');
    await jail.stop(first);
    const next = place({ guest: { disks } });
    await jail.start(next);
    expect(diskLines(await serialOf(next))).toHaveLength(1);
    await jail.stop(next);
  });
});

describe('evidence', () => {
  it('tells a disk from a file that QEMU should not have', async () => {
    await running.host.run(sh`cd /srv/disks && cp raw.img known.img && cp raw.img other.img`);
    const more = ['-drive', 'file=/srv/disks/other.img,format=raw,if=virtio'];
    const guest = place({
      guest: { disks: [disk('known')] },
      qemu: ['-S', ...more],
      breakLauncher: withoutView,
    });
    await jail.start(guest);
    const [evidence] = await jail.until(
      () => jail.evidence(guest),
      // one that still starts holds its firmware for a moment too
      ([shown]) => observedFiles(shown) === 'device-model holds "/srv/disks/other.img"',
    );
    expect(observedFiles(evidence)).toBe('device-model holds "/srv/disks/other.img"');
    await running.host.run(sh`rm ${word(`${guestPlaces(guest.name).runDirectory}/disks`)}`);
    const [without] = await jail.evidence(guest);
    expect(observedFiles(without)).toContain('known.img');
    await jail.stop(guest);
  });
});

describe('limits', () => {
  it('let a guest fill its disks, raw and qcow2, and no more', async () => {
    await running.host.run(sh`cd /srv/disks && qemu-img create -q -f qcow2 -o cluster_size=512 fill.qcow2 16M
truncate -s 16M fill.img`);
    for (const full of [disk('fill'), disk('fill', { path: '/srv/disks/fill.qcow2', format: 'qcow2' })]) {
      const guest = place({ guest: { disks: [full] }, commandLine: 'disk_fill=1' });
      await jail.start(guest);
      expect(diskLines(await serialOf(guest)).at(-1)).toBe('disk fill ok');
      const [evidence] = await jail.evidence(guest);
      expect(evidence === undefined ? {} : faults(evidence)).toEqual({});
      await jail.stop(guest);
    }
    expect(statSync(running.host.pathFromHere('/srv/disks/fill.qcow2')).size).toBeGreaterThan(
      16 * 1024 * 1024,
    );
    rmSync(running.host.pathFromHere('/srv/disks/fill.qcow2'));
    rmSync(running.host.pathFromHere('/srv/disks/fill.img'));
  });

  it('let a guest with shared memory live, which those of others end', async () => {
    const guest = place({ guest: { sharedMemory: true } });
    await jail.start(guest);
    await serialOf(guest);
    const [evidence] = await jail.settled(guest);
    if (evidence === undefined) throw new Error('no evidence');
    expect(faults(evidence)).toEqual({});
    const files = evidence.layers.find((each) => each.layer === 'open-files')?.raw ?? [];
    expect(files.filter((line) => line.endsWith('/memfd:memory-backend-memfd (deleted)'))).toHaveLength(1);
    await jail.stop(guest);
    const doomed = place({
      guest: { sharedMemory: true },
      breakLauncher: (script) => script.replace(/--fsize=\d+/, '--fsize=262144'),
    });
    await jail.startDoomed(doomed);
    const [seen] = await jail.until(
      () => jail.observe(doomed),
      ([shown]) => shown?.unit?.activeState === 'failed',
    );
    expect(seen?.running).toBe(false);
  });

  /**
   * A guest that has as many requests under way as its disk's queue takes, while the host writes to the same file and lets nobody else do so:
   * each of QEMU's threads waits, so it starts all it may. Their highest number, and the guest's last state.
   */
  async function drive(change: (script: string) => string) {
    await running.host.run(
      sh`cd /srv/disks && rm -f load.img && dd if=/dev/zero of=load.img bs=1M count=128 status=none`,
    );
    const guest = place({
      guest: { disks: [disk('load', { sizeMib: 128 })] },
      commandLine: 'disk_load=256',
      breakLauncher: change,
    });
    await jail.start(guest);
    const slow = running.host.exec(sh`end=$(($(date +%s) + 120))
for writer in 1 2 3; do
  while [ -e /srv/disks/load.img ] && [ "$(date +%s)" -lt "$end" ]; do
    dd if=/dev/zero of=/srv/disks/load.img bs=128M count=1 conv=notrunc,nocreat status=none
  done 2>/dev/null &
done
wait`);
    let threads = 0;
    const state = await jail.until(
      async () => {
        const [seen] = await jail.observe(guest);
        const model = seen?.processes.find(({ role }) => role === 'device-model');
        threads = Math.max(threads, model?.threads.length ?? 0);
        const done = (await jail.log(guest, 'serial')).includes(guestBanner);
        return done ? 'done' : seen?.unit?.activeState;
      },
      (shown) => shown === 'failed' || shown === 'done',
    );
    await running.host.run(sh`rm /srv/disks/load.img`);
    await slow;
    return { guest, threads, state };
  }

  it('let a guest drive its disk with 256 requests under way', async () => {
    const { guest, threads, state } = await drive((script) => script);
    // 64 of the pool, and QEMU's own
    expect(threads).toBeGreaterThan(64);
    expect(state).toBe('done');
    const serial = await serialOf(guest);
    expect(diskLines(serial).at(-1)).toBe('disk load done, 0 failed');
    await jail.stop(guest);
  });

  it('would end that guest if they left no room for its threads', async () => {
    const { guest, state } = await drive((script) => script.replace(/--nproc=\d+/, '--nproc=64'));
    expect(state).toBe('failed');
    expect(await jail.log(guest, 'stderr')).toContain('qemu_thread_create');
  });

  it('show a shared memory that nobody asked for', async () => {
    const more = ['-object', 'memory-backend-memfd,id=more,size=64K,share=on'];
    const guest = place({ qemu: ['-S', ...more] });
    await jail.start(guest);
    const [evidence] = await jail.until(
      () => jail.evidence(guest),
      ([shown]) => observedFiles(shown).includes('memfd'),
    );
    expect(observedFiles(evidence)).toBe('device-model holds "/memfd:memory-backend-memfd (deleted)"');
    await jail.stop(guest);
  });
});

describe('user-mode network', () => {
  it.each(['q35', 'microvm'] as const)('lives in a guest on %s with every layer on', async (machine) => {
    const guest = place({ guest: { machine, network: 'user' } });
    await jail.start(guest);
    await serialOf(guest);
    const [evidence] = await jail.settled(guest);
    if (evidence === undefined) throw new Error('no evidence');
    expect(faults(evidence)).toEqual({});
    await jail.stop(guest);
  });
});
