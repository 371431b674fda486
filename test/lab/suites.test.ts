import { describe, expect, it } from 'vitest';
import { suites } from './recipe.ts';
import { useLab } from './vitest.ts';

describe.each(suites)('a host of Debian %s', (suite) => {
  const running = useLab({ hosts: 1, suite });

  it('has the QEMU and the helpers of its release', async () => {
    const { host } = running;
    const release = await host.run(['sh', '-c', '. /etc/os-release; echo "$VERSION_CODENAME"']);
    const version = await host.run(['qemu-system-x86_64', '-version']);
    const helpers = await host.run([
      'sh',
      '-c',
      'ls /usr/lib/qemu/virtfs-proxy-helper /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd 2>/dev/null; :',
    ]);
    expect([release.trim(), /version (\d+\.\d+)/.exec(version)?.[1], helpers.trim().split('\n')]).toEqual(
      suite === 'bookworm'
        ? ['bookworm', '7.2', ['/usr/lib/qemu/virtfs-proxy-helper', '/usr/lib/qemu/virtiofsd']]
        : ['trixie', '10.0', ['/usr/lib/qemu/virtiofsd', '/usr/libexec/virtiofsd']],
    );
  });
});
