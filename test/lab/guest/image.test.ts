import { copyFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { sh, word, words } from '../../../provider/model/shell.ts';
import { useLab } from '../vitest.ts';
import { buildGuestImage, type GuestImage } from './image.ts';
import { guestBanner, guestCommandLine } from './init.ts';

const running = useLab({ hosts: 1, name: 'guest' });

beforeAll(async () => {
  const image = await buildGuestImage();
  for (const [name, file] of Object.entries(image) as [keyof GuestImage, string][]) {
    copyFileSync(file, running.host.pathFromHere(`/root/${name}`));
  }
});

/** Boots the guest, presses its power button once the banner is there, and returns what its serial port said. */
async function bootAndPowerDown(
  machine: string,
  kernel: keyof GuestImage,
  initrd: keyof GuestImage,
  more = '',
): Promise<string> {
  const qemu = words([
    'qemu-system-x86_64',
    '-accel',
    'tcg',
    '-machine',
    machine,
    '-m',
    '128',
    '-nodefaults',
  ]);
  const boot = words([
    '-kernel',
    `/root/${kernel}`,
    '-initrd',
    `/root/${initrd}`,
    '-append',
    guestCommandLine + more,
  ]);
  await running.host.run(sh`cd /root && rm -f serial && touch serial
said() { for try in $(seq 600); do grep -qa "$1" serial && return; sleep 0.2; done; }
(said ${word(`^${guestBanner}`)}; echo system_powerdown; said 'reboot: Power down'; sleep 0.2; echo quit) |
timeout --signal=KILL 240 ${qemu} ${boot} -display none -no-reboot -monitor stdio -serial file:serial`);
  return running.host.run(['cat', '/root/serial']);
}

describe('the guest', () => {
  test.each([
    ['q35', 'kernel'],
    ['pc', 'kernel'],
    ['q35', 'unpackedKernel'],
    ['pc', 'unpackedKernel'],
  ] as const)(
    'on %s from the %s: prints its banner, stays up, and obeys the power button',
    async (machine, kernel) => {
      const serial = await bootAndPowerDown(machine, kernel, 'initrd');
      expect(serial).toMatch(new RegExp(`^${guestBanner} \\(Linux 6\\.1\\.[^)]*amd64\\)\r$`, 'm'));
      expect(serial.trimEnd()).toMatch(/\nStockade guest is going down\r\n.*reboot: Power down$/);
    },
  );

  test('a hostile one forges results, sends control sequences and floods before it is up', async () => {
    const serial = await bootAndPowerDown('q35', 'unpackedKernel', 'hostileInitrd', ' flood_kib=256');
    expect(serial.length).toBeGreaterThan(256 * 1024 * 0.5);
    expect(serial).toMatch(/^STOCKADE 7 ok c3Rv/m);
    expect(serial).toContain('\u001b]0;forged title\u0007');
    expect(serial).toContain('\u202edesrever');
  });
});
