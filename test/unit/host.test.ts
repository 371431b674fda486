import { describe, expect, it } from 'vitest';
import { unitTemplatePath } from '../../provider/model/paths.ts';
import { hostObstacles, installHint } from '../../provider/resources/host/checks.ts';
import {
  hostDesired,
  readStoredPath,
  storePath,
  unitTemplateSha256,
} from '../../provider/resources/host/desired.ts';
import { hostDiff } from '../../provider/resources/host/diff.ts';
import { capabilitiesFor, type HostFacts } from '../../provider/resources/host/facts.ts';
import { parseHost } from '../../provider/resources/host/facts-parse.ts';
import { hostIntegrity, intactHost } from '../../provider/resources/host/integrity.ts';
import { profileSha256 } from '../../provider/jail/lsm-profile.ts';
import { hostOperations } from '../../provider/resources/host/operations.ts';
import { sampleQemu } from '../samples.ts';

const state = '/var/lib/stockade';
const directories = [
  '',
  '/owners',
  '/capabilities',
  '/users',
  '/leases',
  '/leases/domid',
  '/files',
  '/guests',
];
const record = (path: string, ...rows: string[]) =>
  ['stockade-record 1', ...rows].map((row) => `${state}/${path}:${row}\n`).join('');
const prepared: readonly (readonly [string, string])[] = [
  ['asked', '/opt/qemu'],
  ['identity', '1-3-5-7 /opt/qemu'],
  ['sandbox', '1'],
  ['version', 'QEMU emulator version 8.0.0'],
  ['asked', ''],
  ['identity', '1-2-5-7 /usr/bin/qemu-system-x86_64'],
  ['sandbox', '0'],
  ['help', '-sandbox on[,spawn=allow|deny]\n'],
  ['version', 'QEMU emulator version 7.2.22 (Debian)'],
  ['kernel', '6.1.0'],
  ['boot', 'b'],
  ['lsm', 'capability,landlock,apparmor,../odd'],
  ['os', 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'],
  ['systemd', 'systemd 252 (252.39-1~deb12u2)\n+PAM'],
  ['virtiofsd', '/usr/libexec/virtiofsd'],
  ['virtiofsd-version', 'virtiofsd 1.13.2\n'],
  ['virtiofsd-help', 'Options:\n      --translate-uid <TRANSLATE_UID>\n'],
  ['cgroup', '2'],
  ['controllers', 'cpu memory pids'],
  [
    'records',
    record('host', 'owner test', 'generation 1') +
      record('owners/test', 'owner test', 'generation 4', 'digest d', 'qemu_binary /opt/qemu') +
      record('owners/liar', 'owner test', 'generation 9') +
      record('owners/broken', 'no record'),
  ],
  ['guests', `${state}/guests/web1/record:owner test\n${state}/guests/../x/record:owner test\n`],
  ['set', `${state}/users/shared.owners/test`],
  [
    'files',
    directories.map((name) => `41c0 0 0 ${state}${name}\n`).join('') + `81a4 0 0 ${unitTemplatePath}\n`,
  ],
  ['logger', 'passwd:999:999:/nonexistent:/usr/sbin/nologin\ngroup:999\nshadow:locked\n'],
  ['template', `${unitTemplateSha256()}  -\n`],
];
const print = (rows = prepared) =>
  Buffer.from([...rows, ['end', 'end']].map(([name, text]) => `${name}\0${text}\0`).join(''));
const read = (rows?: typeof prepared): HostFacts => {
  const parsed = parseHost(print(rows));
  if (!parsed.ok) throw new Error('not read');
  return parsed.value;
};
const replaced = (name: string, text: string) =>
  prepared.map(([key, value]) => [key, key === name ? text : value] as const);
const without = (...names: string[]) => prepared.filter(([name]) => !names.includes(name));
const wish = hostDesired({ name: 'hv1', qemuBinary: '/opt/qemu' }, 'test');

describe('the AppArmor profile of a host', () => {
  const sha256 = profileSha256();
  const profile = '/etc/apparmor.d/stockade-guest';
  const [, files = ''] = prepared.find(([name]) => name === 'files') ?? [];
  const whole: readonly (readonly [string, string])[] = [
    ...without('files'),
    ['files', `${files}81a4 0 0 ${profile}\n`],
    ['apparmor-parser', '/usr/sbin/apparmor_parser'],
    ['apparmor-file', `${sha256}  -\n`],
    ['apparmor-loaded', 'stockade-guest-logger (enforce)'],
    ['apparmor-loaded', 'stockade-guest (enforce)'],
    ['apparmor-loaded', 'stockade-guest-share (enforce)'],
    ['apparmor-loaded', 'stockade-guest-share-namespace (enforce)'],
    ['apparmor-hashes', 'ab::cd::'],
    ['apparmor-record', `${sha256} 6.1.0 ab::cd::`],
  ];
  const but = (name: string, ...texts: readonly string[]) => [
    ...whole.filter(([key]) => key !== name),
    ...texts.map((text) => [name, text] as const),
  ];
  const state = (rows: typeof prepared) => hostIntegrity(read(rows)).apparmorProfile;

  it('is asked for only where there is something to load it with', () => {
    expect(read(whole).capabilities.apparmorParser).toBe('/usr/sbin/apparmor_parser');
    expect(state(whole)).toBe('ok');
    expect(state(but('apparmor-parser'))).toBe('ok');
    expect(state(but('lsm', 'capability,selinux'))).toBe('ok');
    expect(hostIntegrity(read(but('apparmor-record'))).directories).toBe('ok');
  });

  it.each([
    ['files', [files], 'missing'],
    ['files', [`${files}a1ff 0 0 ${profile}\n`], 'was edited'],
    ['files', [`${files}81b6 0 7 ${profile}\n`], 'has owner 0:7 and mode 0666'],
    ['apparmor-file', [`${'0'.repeat(64)}  -\n`], 'was edited'],
    [
      'apparmor-switch',
      ['/etc/apparmor.d/disable/stockade-guest', '/x'],
      'is switched off by /etc/apparmor.d/disable/stockade-guest',
    ],
    ['apparmor-loaded', ['stockade-guest (enforce)'], 'stockade-guest-logger is not loaded'],
    [
      'apparmor-loaded',
      ['stockade-guest (complain)', 'stockade-guest-logger (enforce)'],
      'stockade-guest is in complain mode',
    ],
    ['apparmor-hashes', ['ab::ce::'], 'other rules are loaded under its name'],
    ['apparmor-record', ['nonsense'], 'was not loaded as it is'],
    ['apparmor-record', [`${'0'.repeat(64)} 6.1.0 ab::cd::`], 'was not loaded as it is'],
    ['apparmor-record', [`${sha256} 6.2.0 12::34::`], 'ok'],
  ] as const)('shows what is wrong with it: %s %j', (name, texts, shown) => {
    expect(state(but(name, ...texts))).toBe(shown);
  });
});

describe('what a host prints of itself', () => {
  it('tells of virtiofsd whose it is, and whether it can take users of the guest for others', () => {
    const virtiofsd = (rows: typeof prepared) => read(rows).capabilities.virtiofsd;
    const path = '/usr/libexec/virtiofsd';
    const c = 'virtiofsd version 7.2.22 (Debian)\nusing FUSE kernel interface version 7.36\n';
    expect(virtiofsd(prepared)).toEqual({ path, kind: 'rust', translatesIds: true });
    expect(virtiofsd(without('virtiofsd-help'))).toEqual({ path, kind: 'rust', translatesIds: false });
    expect(virtiofsd(replaced('virtiofsd-version', c))).toEqual({ path, kind: 'c', translatesIds: false });
    expect(virtiofsd(without('virtiofsd'))).toBeUndefined();
  });

  it('is read', () => {
    const facts = read();
    expect(facts.capabilities).toMatchObject({
      qemu: { binary: '/usr/bin/qemu-system-x86_64', seccomp: true },
      kernel: '6.1.0',
      supervisor: { kind: 'systemd', version: 252 },
      virtiofsd: { path: '/usr/libexec/virtiofsd', kind: 'rust', translatesIds: true },
      proxyHelper: undefined,
      cgroupVersion: 2,
      cgroupControllers: ['cpu', 'memory', 'pids'],
      lsm: ['capability', 'landlock', 'apparmor'],
    });
    expect([...facts.owners]).toEqual([
      ['test', { generation: 4, digest: 'd', qemuBinary: '/opt/qemu', toolstack: 'qemu' }],
    ]);
    expect([...facts.damaged.keys()]).toEqual(['owners/broken']);
    expect(facts.guests).toEqual([{ guest: 'web1', owner: 'test' }]);
    expect(facts.userSets).toEqual([{ scheme: 'shared', owner: 'test' }]);
    expect(capabilitiesFor(facts, 'test').qemu?.binary).toBe('/opt/qemu');
    expect(capabilitiesFor(facts, 'other').qemu?.binary).toBe('/usr/bin/qemu-system-x86_64');
  });

  it('is refused where it is cut', () => {
    const whole = print();
    for (let length = 0; length < whole.length; length += 7) {
      expect(parseHost(whole.subarray(0, length)).ok).toBe(false);
    }
  });
});

describe('the difference between a host asked for and found', () => {
  it('is nothing when all is well, and then there is nothing to do', () => {
    const facts = read();
    expect(hostIntegrity(facts)).toEqual(intactHost);
    const change = hostDiff(wish, facts);
    expect(change).toMatchObject({ action: 'noop', disruption: 'none' });
    expect(hostOperations({ change, desired: wish, facts })).toEqual([]);
  });

  it('is a creation for a fleet that has not prepared it', () => {
    expect(hostDiff({ ...wish, fleet: 'other' }, read()).action).toBe('create');
  });

  it.each([
    [
      'files',
      '41c0 0 0 /var/lib/stockade\n',
      'directories',
      '/var/lib/stockade/owners is missing (and 6 more)',
    ],
    ['files', `a1ff 0 0 ${state}\n`, 'directories', `${state} is no directory (and 7 more)`],
    ['template', `${'0'.repeat(64)}  -\n`, 'unitTemplate', 'was edited'],
    ['logger', '', 'loggerUser', 'missing'],
    [
      'logger',
      'passwd:999:7:/root:/bin/\u001bsh\ngroup:999\nshadow:open\n',
      'loggerUser',
      'has no group of its own, home /root, shell /bin/?sh, a password',
    ],
  ])('names what drifted: %s', (name, text, part, before) => {
    const { action, reasons } = hostDiff(wish, read(replaced(name, text)));
    expect(action).toBe('update');
    expect(reasons).toContainEqual({ path: ['integrity', part], before, after: 'ok', disruption: 'live' });
  });

  it('names a drop-in, and a template systemd has not read', () => {
    const rows = [
      ...prepared,
      ['foreign', '/etc/systemd/system/stockade-guest@.service.d/x\n.conf'],
      ['reload', 'pending'],
    ] as const;
    expect(hostIntegrity(read(rows)).unitTemplate).toBe(
      'has an addition: /etc/systemd/system/stockade-guest@.service.d/x?.conf; systemd has not read it yet',
    );
  });
});

describe('what a host lacks', () => {
  const codes = (facts: HostFacts, desired = hostDesired({ name: 'hv1' }, 'test')) =>
    hostObstacles(desired, facts).map(({ code }) => code);

  it('is told with its remedy', () => {
    expect(codes(read())).toEqual([]);
    expect(codes(read(without('systemd')))).toEqual(['no-supervisor']);
    expect(codes(read(without('asked', 'identity')))).toEqual(['no-qemu']);
    const chosen = { ...hostDesired({ name: 'hv1' }, 'test'), qemuBinary: '/opt/nothing' };
    expect(codes(read(), chosen)).toEqual(['no-qemu']);
    const answering = (change: Partial<typeof sampleQemu>) => ({
      ...read(),
      qemus: new Map([['/opt/nothing', { ...sampleQemu, ...change }]]),
    });
    expect(codes(answering({}), chosen)).toEqual([]);
    expect(codes(answering({ version: 'unknown' }), chosen)).toEqual([]);
    expect(codes(answering({ version: 'unknown', machines: [] }), chosen)).toEqual(['no-qemu']);
    expect(
      hostObstacles(wish, read([...prepared, ['missing', 'setpriv'], ['missing', '$(odd)']])),
    ).toMatchObject([
      {
        code: 'missing-program',
        host: 'hv1',
        resource: 'host hv1',
        summary: 'programs are missing on this host: setpriv',
        hint: 'On the host: apt-get install util-linux.',
      },
    ]);
    expect(hostObstacles({ ...wish, fleet: 'broken' }, read()).map(({ code }) => code)).toContain(
      'record-damaged',
    );
  });

  it('names packages as Debian does where it is something else', () => {
    expect(installHint({ id: 'fedora', like: '', name: '' }, ['passwd'])).toBe(
      'Install them on the host; on Debian they come with passwd.',
    );
  });
});

it.each(['/usr/bin/qemu', "/opt/my qemu's/$(x)", '/o/é'])('keeps the path %s in a record', (path) => {
  const stored = storePath(path);
  expect(stored).toMatch(/^[A-Za-z0-9._:+/=-]+$/);
  expect(readStoredPath(stored)).toBe(path);
});
