import { describe, expect, it } from 'vitest';
import { sh, type ShellText } from '../../../provider/model/shell.ts';
import { useVmHost } from '../vitest.ts';

describe('a full virtual machine host', () => {
  const running = useVmHost();

  it('has a kernel of its own, with every controller, AppArmor and the right time', async () => {
    const { host } = running;
    const controllers = (await host.run(['cat', '/sys/fs/cgroup/cgroup.controllers'])).trim().split(' ');
    expect(controllers).toEqual(expect.arrayContaining(['cpu', 'io', 'memory', 'pids']));
    expect((await host.run(['cat', '/sys/module/apparmor/parameters/enabled'])).trim()).toBe('Y');
    await host.run(['apparmor_parser', '--version']);
    expect(await host.run(['qemu-system-x86_64', '-version'])).toContain('version 7.2');
    const behind = Math.abs(Date.now() / 1000 - Number(await host.run(['date', '+%s'])));
    expect(behind).toBeLessThan(60);
    await host.run(sh`test -c /dev/kmsg && test -c /dev/mem`);
  });

  it('ends what takes more memory than its unit may, and nothing else', async () => {
    const { host } = running;
    const unit = (limit: ShellText) =>
      host.exec(
        sh`systemd-run --quiet --wait -p MemoryMax=${limit} -p MemorySwapMax=0 -- sh -c 'head -c 100000000 /dev/zero | tail -c 100000000 >/dev/null'`,
      );
    expect((await unit(sh`30M`)).exitCode).not.toBe(0);
    expect((await unit(sh`400M`)).exitCode).toBe(0);
  });
});
