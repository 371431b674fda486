import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { renderXlGuest } from '../../../provider/resources/guest/render-xl.ts';
import { configString, domainUuid } from '../../../provider/toolstacks/xl/config.ts';
import { sampleXenHost, xlGuest } from '../../xl-samples.ts';

describe('the UUID of a domain', () => {
  const one = { fleet: 'prod', host: 'xen1', name: 'web1' };

  it('is the same at every start, another for each guest, host and fleet', () => {
    const all = [one, { ...one, fleet: 'test' }, { ...one, host: 'xen2' }, { ...one, name: 'web2' }];
    expect(domainUuid(one)).toBe(domainUuid({ ...one }));
    expect(new Set(all.map(domainUuid)).size).toBe(4);
    for (const each of all)
      expect(domainUuid(each)).toMatch(
        /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      );
  });
});

describe('the files of a guest', () => {
  const { launcher } = renderXlGuest(xlGuest({ initrd: { kind: 'host', path: '/srv/i' } }), sampleXenHost);
  const writing = launcher.slice(
    launcher.indexOf('  for file in "$device_model"'),
    launcher.indexOf('  case $user in xen-'),
  );
  function written(...[device, kernel, initrd]: readonly [string, string, string]) {
    const script = `fail() { echo "failed: $1"; exit 1; }
device_model=$1 guest_kernel=$2 guest_initrd=$3
${writing.replaceAll(' >>"$run/xl.cfg"', '')}`;
    return spawnSync('dash', ['-c', script, 'sh', device, kernel, initrd]).stdout.toString();
  }

  it('are written as xl reads them, whatever they are called', () => {
    const kernel = `/srv/it's "a" kernel = 100% $(x) \\n & ünï`;
    expect(written('/usr/libexec/q', kernel, '/srv/" = "')).toBe(
      `device_model_override = "/usr/libexec/q"\nkernel = ${configString(kernel)}\nramdisk = ${configString('/srv/" = "')}\n`,
    );
  });

  it('have no control characters in their names', () => {
    expect(written('/q', '/srv/a\tb', '/i')).toMatch(/^failed: a control character/);
  });
});
