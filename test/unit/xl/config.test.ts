import { describe, expect, it } from 'vitest';
import { domainUuid } from '../../../provider/toolstacks/xl/config.ts';

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
