import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseDomains } from '../../../provider/toolstacks/xl/domains.ts';
import { parseXen } from '../../../provider/toolstacks/xl/probe.ts';

/** As a real Xen host said it. */
const sample = (name: string) => readFileSync(new URL(`../../samples/xen/${name}`, import.meta.url), 'utf8');

it('what a real Xen says of itself is read', () => {
  const said = new Map([
    ['xl', ['/usr/sbin/xl']],
    ['xen-info', [sample('xl-info.txt')]],
  ]);
  expect(parseXen(said)).toMatchObject({ version: '4.17.5', major: 4, minor: 17, totalMemoryMib: 2047 });
});

it('domains are those of the list, dom0 aside, with what xenstore has of them', () => {
  const fields = ['list', sample('xl-list-long.json'), 'store', sample('xenstore-domain.txt'), 'end', ''];
  const [domain, ...others] = parseDomains(Buffer.from(fields.join('\0'))) ?? [];
  expect(others).toEqual([]);
  expect(domain).toMatchObject({ domid: 1, name: 'web1', maxMemoryKib: 32_768 });
  expect(domain?.deviceModelPid).toBeGreaterThan(1);
});
