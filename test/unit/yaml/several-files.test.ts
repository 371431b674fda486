import { describe, expect, it } from 'vitest';
import { readDefinitions } from '../../../provider/spec/yaml/read.ts';
import { maxProblems } from '../../../provider/spec/yaml/limits.ts';
import { definitions, fleetText, problems } from './read.fixture.ts';

const guest = 'host: hv1, memoryMib: 256, kernel: {file: vmlinuz}';

describe('several files', () => {
  it('are one fleet: what one defines, others use', () => {
    const { guests, users } = definitions(
      `profiles: {web: {memoryMib: 256, kernel: {file: vmlinuz}}}`,
      `guests: {web1: {host: hv1, profile: web, users: per-domain}}`,
      `users: [{host: hv1, scheme: range}]\nguests: {web2: {host: hv1, profile: web, users: range}}`,
    );
    expect(guests.map(({ name, users: of }) => [name, of])).toEqual([
      ['web1', 'hv1/per-domain'],
      ['web2', 'hv1/range'],
    ]);
    expect(users).toHaveLength(2);
  });

  it.each([
    ['fleet: prod', 'b.yaml:1:1 fleet stands in two files: in defs/a.yaml:1:1 too | Remove one of them.'],
    [
      'hosts:\n  hv1: {address: b, hostKey: c, privateKeyFile: d}',
      'b.yaml:2:3 hosts.hv1 stands in two files: in defs/a.yaml:3:3 too | Remove one of them.',
    ],
    [
      'users:\n  - host: hv1',
      'b.yaml:2:5 users[0] are users of hv1 of the scheme per-domain as defs/a.yaml:5:5 | Keep one of them.',
    ],
  ])('in which the same stands twice: %s', (text, problem) => {
    expect(problems(text)).toEqual([problem]);
  });

  it('may share in the defaults, each with fields of its own', () => {
    const { guests } = definitions(
      `defaults: {guests: {memoryMib: 256, kernel: {file: vmlinuz}}}`,
      `defaults: {guests: {accelerator: tcg}}\nguests: {web: {host: hv1}}`,
    );
    expect(guests[0]).toMatchObject({ memoryMib: 256, accelerator: 'tcg' });
  });

  it('in which a guest, a profile or a default stands twice', () => {
    const twice = `guests: {web: {${guest}}}\nprofiles: {p: {}}\ndefaults: {guests: {vcpus: 1}}`;
    expect(problems(twice, twice)).toEqual([
      'c.yaml:1:10 guests.web stands in two files: in defs/b.yaml:1:10 too | Remove one of them.',
      'c.yaml:2:12 profiles.p stands in two files: in defs/b.yaml:2:12 too | Remove one of them.',
      'c.yaml:3:21 defaults.guests.vcpus stands in two files: in defs/b.yaml:3:21 too | Remove one of them.',
    ]);
  });

  it('of which one is no YAML: only that is told', () => {
    expect(problems('guests: {web: {host: hv9}}', 'a: "b')).toEqual([
      'c.yaml:1:4 defs/c.yaml is not YAML here: missing closing "quote',
    ]);
  });

  it('problems of all of them come by file, line and column', () => {
    const found = problems('guests:\n  web: {vcpus: 0, host: hv1}\nx: 1', 'profiles: {p: {vcpus: 0}}\ny: 1');
    expect(found.map((one) => one.split(' ')[0])).toEqual([
      ...['b.yaml:2:3', 'b.yaml:2:3', 'b.yaml:2:16', 'b.yaml:3:1', 'c.yaml:1:23', 'c.yaml:2:1'],
    ]);
  });
});

describe('problems', () => {
  it('of what many inherit are told once, where it stands', () => {
    const many = Array.from({ length: 50 }, (_, index) => `  g${index}: {profile: bad, host: hv1}`).join(
      '\n',
    );
    const text = `profiles:\n  bad: {memoryMib: 1, kernel: {file: a}, isolation: {off: [mount-namespace]}}\nguests:\n${many}`;
    expect(problems(text)).toEqual([
      "b.yaml:2:54 guests.g0.isolation.off has mount-namespace and must then have private-dev too: a /dev of its own has to be mounted where the host's stays as it is",
    ]);
  });

  it('are told in numbers that people can read', () => {
    const text = `guests:\n${Array.from({ length: 3000 }, (_, index) => `  g${index}: {vcpu: 1, ${guest}}`).join('\n')}`;
    const found = problems(text);
    expect(found).toHaveLength(maxProblems + 1);
    expect(found.at(-1)).toContain(`there are ${3000 - maxProblems} more problems`);
  });

  it('of nothing at all', () => {
    const read = readDefinitions([]);
    expect(read.ok ? '' : read.diagnostics[0]?.summary).toBe('there are no files of definitions');
  });

  it('do not repeat secrets', () => {
    const secret = fleetText.replace(
      'privateKeyFile: keys/deploy',
      `passphrase: 31337, privateKey: ${'s3cret'.repeat(11_000)}`,
    );
    const read = readDefinitions([{ name: 'a.yaml', text: secret }]);
    const said = JSON.stringify(read.ok ? [] : read.diagnostics);
    expect(said).toContain('passphrase must be text');
    expect(said).toContain('privateKey must have at most 65536 characters');
    expect(said).not.toMatch(/s3cret|31337/);
  });

  it('of YAML itself do not repeat what stands there', () => {
    const read = readDefinitions([{ name: 'a.yaml', text: 'hosts: {hv1: {passphrase: | s3cret' }]);
    expect(JSON.stringify(read)).not.toContain('s3cret');
  });
});

describe('where things stand', () => {
  const text = `
profiles:
  web: {memoryMib: 256, limits: {tasks: 100}}
guests:
  web:
    host: hv1
    profile: web
    kernel: {file: vmlinuz}
    limits:
      openFiles: 100
`;
  const { source } = definitions(text);
  const web = { kind: 'guest', host: 'hv1', name: 'web' } as const;
  const place = (path?: readonly (string | number)[]) => {
    const found = source(web, path);
    return found && `${found.file}:${found.line}:${found.column}`;
  };

  it('an object, its fields, and those that it inherits', () => {
    expect(place()).toBe('defs/b.yaml:5:3');
    expect(place(['kernel', 'file'])).toBe('defs/b.yaml:8:20');
    expect(place(['limits', 'openFiles'])).toBe('defs/b.yaml:10:18');
    expect(place(['limits', 'open_files'])).toBe('defs/b.yaml:10:18');
    expect(place(['limits', 'tasks'])).toBe('defs/b.yaml:3:41');
    expect(place(['memoryMib'])).toBe('defs/b.yaml:3:20');
  });

  it('what is not there: what is above it', () => {
    expect(place(['vcpus'])).toBe('defs/b.yaml:5:3');
    expect(place(['limits', 'cpuPercent'])).toBe('defs/b.yaml:9:5');
    expect(source({ ...web, name: 'db' })).toBeUndefined();
  });

  it('hosts, users and the fleet', () => {
    const host = { kind: 'host', host: 'hv1', name: 'hv1' } as const;
    const users = { kind: 'qemu-users', host: 'hv1', name: 'per-domain' } as const;
    expect(source(host)).toMatchObject({ file: 'defs/a.yaml', line: 3, column: 3 });
    expect(source(users, ['lastDomid'])).toMatchObject({ line: 6, column: 16 });
    expect(source('fleet', ['fleet'])).toMatchObject({ line: 1, column: 8 });
    expect(source('fleet', ['hosts', 'hv1', 'host_key'])).toMatchObject({ line: 3, column: 44 });
  });
});

describe('aliases', () => {
  it('are what they stand for', () => {
    const { guests } = definitions(`
guests:
  a: &a {${guest}, limits: &limits {tasks: 100}}
  b: *a
  c: {${guest}, limits: *limits}
`);
    expect(guests.map(({ name, limits }) => [name, limits?.tasks])).toEqual([
      ['a', 100],
      ['b', 100],
      ['c', 100],
    ]);
  });
});
