import fc from 'fast-check';
import { expect, it } from 'vitest';
import { lineage } from '../../provider/resources/guest/share-sources.ts';
import { parseShareSources } from '../../provider/resources/guest/share-sources-parse.ts';
import { plainPath } from '../../provider/spec/plain-path.ts';

/** Any name a directory can have, as bytes: neither NUL nor slash, and not one of the two that mean something. */
const name = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
    fc.constantFrom('end', 'ended 0', 'mounts', 'stats', '41ed 0 ', ' - ', '\n', '\\040'),
  )
  .map((text) => text.replaceAll(/[/\0]/g, '_'))
  .filter((text) => text !== '.' && text !== '..');
const path = fc.array(name, { maxLength: 5 }).map((names) => `/${names.join('/')}`);

const escaped = (text: string) =>
  text.replaceAll(/[ \t\n\\#]/g, (found) => `\\${found.charCodeAt(0).toString(8).padStart(3, '0')}`);

/** What the section prints of paths that are all there, each on a mount of its own below the root's. */
function printed(paths: readonly string[], mode: number): Buffer {
  const way = [...new Set(paths.flatMap(lineage))];
  const stats = way.map((one) => `${(0o40000 | mode).toString(16)} 7 ${one}`);
  const mounts = ['1 0 8:1 / / rw shared:1 - ext4 /dev/x rw', ...mountsOf(paths)].join('\n');
  const entered = way.flatMap((one) => [one, one]);
  const tokens = ['stats', ...stats, '', 'ended 1', 'entered', ...entered, '', 'ended 0', 'mounts', mounts];
  return Buffer.from([...tokens, 'end', ''].join('\0'));
}

/** In the order of their lengths, each on the one that its directory is on. */
function mountsOf(paths: readonly string[]): readonly string[] {
  const points = [...new Set(paths)].filter((one) => one !== '/').sort((a, b) => a.length - b.length);
  return points.map((point, index) => {
    const above = points.findLastIndex((one, at) => at < index && point.startsWith(`${one}/`));
    return `${index + 2} ${above < 0 ? 1 : above + 2} 0:${index + 1} / ${escaped(point)} rw,nodev - t${index} none rw`;
  });
}

it('every name comes back as it is, with its mode and its mount', () => {
  fc.assert(
    fc.property(fc.array(path, { minLength: 1, maxLength: 5 }), fc.nat(0o7777), (paths, mode) => {
      const seen = parseShareSources(printed(paths, mode), paths);
      for (const one of paths) {
        const facts = seen.get(plainPath(one));
        expect(facts?.parts?.map((part) => part.path)).toEqual(lineage(one));
        expect(facts?.parts?.at(-1)).toMatchObject({ type: 'directory', mode, uid: 7 });
        expect([facts?.resolved, facts?.mount?.point]).toEqual([one, one]);
      }
    }),
  );
});

it('cut anywhere, it says less and nothing else', () => {
  fc.assert(
    fc.property(fc.array(path, { minLength: 1, maxLength: 3 }), fc.nat(), (paths, at) => {
      const whole = printed(paths, 0o755);
      const all = parseShareSources(whole, paths);
      for (const [one, facts] of parseShareSources(whole.subarray(0, at % whole.length), paths)) {
        const known = all.get(one);
        if (facts.parts !== undefined) expect(facts.parts).toEqual(known?.parts);
        if (facts.resolved !== undefined) expect(facts.resolved).toEqual(known?.resolved);
        if (facts.mount !== undefined) expect(facts.mount).toEqual(known?.mount);
      }
    }),
  );
});

it('bytes of any kind are read as something or as nothing', () => {
  const token = fc.oneof(
    fc.constantFrom(
      'stats',
      'ended 0',
      'entered',
      'mounts',
      'end',
      '',
      '41ed 0 /',
      '/',
      '1 0 0:1 / / rw - a b c',
    ),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(fc.array(token, { maxLength: 20 }), path, (tokens, one) => {
      const facts = parseShareSources(Buffer.from(tokens.join('\0'), 'utf8'), [one]).get(plainPath(one));
      expect(facts).toBeDefined();
    }),
  );
});
