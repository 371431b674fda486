import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { OpensshTarget } from '../../provider/connect/target.ts';
import { Redacted } from '../../provider/model/redacted.ts';
import { sh } from '../../provider/model/shell.ts';
import {
  closeAll,
  failed,
  isAlive,
  limits,
  Listener,
  makeKey,
  open,
  sleep,
  Sshd,
  startAgent,
  succeeded,
  text,
} from './connect.fixture.ts';

/** What the ssh program does that the built-in client does not; what both do is in connect.test.ts. */

let sshd: Sshd;
let orphan: Orphan;
/** Where the program's files are for the moment: of these tests alone. */
const place = mkdtempSync(join(tmpdir(), 'osh-'));
const runtimeDirectory = process.env['XDG_RUNTIME_DIR'];

beforeAll(async () => {
  process.env['XDG_RUNTIME_DIR'] = place;
  sshd = await Sshd.start(['ed25519']);
  orphan = await killedHolder();
});
afterEach(closeAll);
afterAll(async () => {
  await orphan.ended;
  await sshd.stop();
  if (runtimeDirectory === undefined) delete process.env['XDG_RUNTIME_DIR'];
  else process.env['XDG_RUNTIME_DIR'] = runtimeDirectory;
  for (const one of [place, orphan.directory]) rmSync(one, { recursive: true, force: true });
});

const says = async (target: OpensshTarget) => await open(target).exec(sh`echo here`, limits);
async function works(target: OpensshTarget): Promise<void> {
  expect(text(succeeded(await says(target)).stdout)).toBe('here\n');
}
const nameOf = (server: Sshd) => `[127.0.0.1]:${server.port}`;
const knownLine = (server: Sshd) => `${nameOf(server)} ${server.publicKey('ed25519')}\n`;

async function until(what: string, seconds: number, holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    if (turn > seconds * 40) throw new Error(`never came: ${what}`);
    await sleep(25);
  }
}

/** Running programs of ours, by the directory that each has in its arguments. */
function sshProcesses(directory = place): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isAlive(pid) && commandLine(pid).includes(`${directory}/stockade-ssh-`));
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

interface Orphan {
  readonly masters: readonly number[];
  readonly directory: string;
  /** How long they lived on. Unit: milliseconds. */
  readonly ended: Promise<number>;
}

/** Somebody with a connection who is killed, and so can clear nothing away. */
async function killedHolder(): Promise<Orphan> {
  const root = join(import.meta.dirname, '../..');
  const directory = mkdtempSync(join(tmpdir(), 'orphan-'));
  const program = `
    import { openConnection } from ${JSON.stringify(join(root, 'provider/connect/open.ts'))};
    import { sh } from ${JSON.stringify(join(root, 'provider/model/shell.ts'))};
    const target = ${JSON.stringify(sshd.opensshTarget())};
    const connection = openConnection(target, { clock: { now: () => 0 } });
    await connection.exec(sh\`true\`, { timeoutSeconds: 30, maxStdoutBytes: 1 });
    console.log('connected');
  `;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
    cwd: root,
    env: { ...process.env, XDG_RUNTIME_DIR: directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const masters = sshProcesses(directory);
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  const killed = performance.now();
  const ended = until('the end of the master', 30, () => !masters.some(isAlive)).then(
    () => performance.now() - killed,
  );
  return { masters, directory, ended };
}

describe('a connection', () => {
  it('is one to the host, for commands at the same time and one after the other', async () => {
    const between = await Listener.inFrontOf(sshd.port);
    try {
      const connection = open(sshd.opensshTarget({ port: between.port }));
      const together = Array.from({ length: 12 }, () => connection.exec(sh`sleep 0.05`, limits));
      for (const output of await Promise.all(together)) expect(succeeded(output).exitCode).toBe(0);
      for (let turn = 0; turn < 5; turn++) succeeded(await connection.exec(sh`true`, limits));
      expect(between.connections()).toBe(1);
      expect(connection.counters).toEqual({ connections: 1, commands: 17 });
    } finally {
      await closeAll();
      await between.stop();
    }
  });

  it('has one program, and leaves no directory for others to get in by', async () => {
    const connection = open(sshd.opensshTarget());
    const running = Promise.all([1, 2, 3].map(() => connection.exec(sh`sleep 0.6`, limits)));
    await until('the connection', 10, () => connection.counters.connections > 0);
    expect(sshProcesses()).toHaveLength(1);
    expect(readdirSync(place)).toEqual([]);
    await running;
    await connection.close();
    expect(sshProcesses()).toEqual([]);
  });

  it('carries more than its windows hold, both ways at once, whole', async () => {
    const size = 24 * 1024 * 1024;
    const data = Buffer.alloc(size, 'a pattern of odd length,');
    async function* pieces() {
      for (let at = 0; at < size; at += 1_000_000) yield data.subarray(at, at + 1_000_000);
    }
    const output = succeeded(
      await open(sshd.opensshTarget()).exec(sh`cat`, {
        ...limits,
        maxStdoutBytes: 2 * size,
        stdin: pieces(),
      }),
    );
    const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    expect(digest(output.stdout)).toBe(digest(data));
  });

  it('answers a host that asks whether we are there', async () => {
    const asking = await Sshd.start(['ed25519'], ['ClientAliveInterval 1', 'ClientAliveCountMax 1']);
    try {
      const output = succeeded(await open(asking.opensshTarget()).exec(sh`sleep 3.5; echo on`, limits));
      expect(output).toMatchObject({ exitCode: 0, interrupted: false });
      await closeAll();
    } finally {
      await asking.stop();
    }
  });

  it('needs no directory for temporary files that is fit for it', async () => {
    const before = process.env['TMPDIR'];
    const odd = mkdtempSync(join(tmpdir(), 'odd $(id) '));
    const long = join(odd, 'x'.repeat(100));
    mkdirSync(long);
    delete process.env['XDG_RUNTIME_DIR'];
    try {
      for (const directory of [odd, long, '/nowhere']) {
        process.env['TMPDIR'] = directory;
        await works(sshd.opensshTarget());
      }
    } finally {
      process.env['XDG_RUNTIME_DIR'] = place;
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
      rmSync(odd, { recursive: true });
    }
  });
});

describe("ssh's configuration", () => {
  it('says where a host is, how to log in and how to know it', async () => {
    const known = sshd.file('known', knownLine(sshd));
    const configFile = sshd.file(
      'config alias',
      `Host rack1\n HostName 127.0.0.1\n Port ${sshd.port}\n IdentityFile ${sshd.clientKey}\n UserKnownHostsFile ${known}\n`,
    );
    const target: OpensshTarget = {
      connection: 'openssh',
      host: 'hv1',
      address: 'rack1',
      configFile,
      trust: { kind: 'ssh-config' },
      identities: [],
      sudo: false,
      connectTimeoutSeconds: 10,
    };
    await works(target);
    const stranger = failed(await says({ ...target, user: 'nobody-here' }));
    expect(stranger).toMatchObject({
      code: 'login-refused',
      summary: `host hv1 (127.0.0.1 port ${sshd.port}) refuses the login of nobody-here`,
    });
    expect(stranger.detail).toContain(`Tried: key ${sshd.clientKey} ED25519 SHA256:`);
    sshd.file('known', '');
    const unknown = failed(await says(target));
    expect(unknown.code).toBe('host-key-unknown');
    expect(unknown.copy).toBe(knownLine(sshd).trim());
    sshd.file('known', `${nameOf(sshd)} ${readFileSync(`${sshd.clientKey}.pub`, 'utf8')}`);
    expect(failed(await says(target))).toMatchObject({ code: 'host-key-changed', host: 'hv1' });
    sshd.file('known', `@revoked * ${sshd.publicKey('ed25519')}\n`);
    expect(failed(await says(target)).code).toBe('host-key-revoked');
  });

  it('cannot make a connection less strict, nor do anything beside it', async () => {
    const ran = join(sshd.directory, 'ran-locally');
    const control = join(sshd.directory, 'their-socket');
    const listening = await Listener.start(() => undefined);
    const { port } = listening;
    await listening.stop();
    makeKey(join(sshd.directory, 'another'), 'ed25519');
    const configFile = sshd.file(
      'weak',
      [
        'BatchMode no',
        'StrictHostKeyChecking no',
        'UserKnownHostsFile /dev/null',
        'NoHostAuthenticationForLocalhost yes',
        `KnownHostsCommand /bin/echo ${nameOf(sshd)} ${sshd.publicKey('ed25519')}`,
        'PermitLocalCommand yes',
        `LocalCommand touch ${ran}`,
        `RemoteCommand touch ${ran}`,
        `LocalForward 127.0.0.1:${port} 127.0.0.1:${sshd.port}`,
        'ControlMaster auto',
        `ControlPath ${control}`,
        'ControlPersist yes',
        'ForwardAgent yes',
        'LogLevel QUIET',
      ].join('\n'),
    );
    const wrong = readFileSync(join(sshd.directory, 'another.pub'), 'utf8');
    const pinned = sshd.opensshTarget({ configFile, trust: { kind: 'pinned', publicKeys: [wrong] } });
    expect(failed(await says(pinned)).code).toBe('host-key-changed');
    const files = [sshd.file('known', '')];
    const known = sshd.opensshTarget({ configFile, trust: { kind: 'known-hosts', files } });
    expect(failed(await says(known)).code).toBe('host-key-unknown');
    const output = succeeded(
      await open(sshd.opensshTarget({ configFile })).exec(sh`echo "agent=$SSH_AUTH_SOCK"`, limits),
    );
    expect(text(output.stdout)).toBe('agent=\n');
    expect(await accepts(port)).toBe(false);
    expect([ran, control].filter((path) => existsSync(path))).toEqual([]);
    // The control: the bare program, with that configuration, trusts this host and obeys.
    const bare = ['-F', configFile, '-o', 'ControlMaster=no', '-o', 'ClearAllForwardings=yes', '-i'];
    const target = ['-p', String(sshd.port), 'root@127.0.0.1'];
    spawnSync('ssh', [...bare, sshd.clientKey, ...target], { stdio: 'ignore', timeout: 20_000 });
    expect(existsSync(ran)).toBe(true);
  });

  it('is refused with the file and the line that is wrong', async () => {
    const nonsense = sshd.file('nonsense', '# mine\nNonsense yes\n');
    const refused = failed(await says(sshd.opensshTarget({ configFile: nonsense })));
    expect(refused).toMatchObject({ code: 'ssh-config-refused', host: 'hv1' });
    expect(refused.detail).toContain(`${nonsense}: line 2: Bad configuration option: nonsense`);
    expect(refused.detail).not.toContain('stockade-ssh-');
    const open = sshd.file('open-config', '', 0o600);
    execFileSync('chmod', ['666', open]);
    const loose = failed(await says(sshd.opensshTarget({ configFile: open })));
    expect(loose).toMatchObject({ code: 'ssh-config-refused' });
    expect(loose.detail).toContain(`Bad owner or permissions on ${open}`);
    const absent = failed(await says(sshd.opensshTarget({ configFile: join(sshd.directory, 'absent') })));
    expect(absent).toMatchObject({ code: 'ssh-config-unreadable', host: 'hv1' });
  });
});

async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

describe('certificates', () => {
  let signed: Sshd;
  const at = (name: string) => join(signed.directory, name);
  const sign = (authority: string, key: string, ...more: readonly string[]) =>
    execFileSync('ssh-keygen', ['-q', '-s', authority, '-I', 'test', ...more, `${key}.pub`]);

  beforeAll(async () => {
    signed = await Sshd.start(['ed25519'], (directory) => {
      const [authority, host] = [join(directory, 'authority'), join(directory, 'host_ed25519')];
      makeKey(authority, 'ed25519');
      sign(authority, host, '-h', '-n', '127.0.0.1');
      return [`TrustedUserCAKeys ${authority}.pub`, `HostCertificate ${host}-cert.pub`];
    });
    makeKey(at('locked'), 'ed25519', 'open sesame');
    for (const name of ['user', 'late', 'other', 'plain']) makeKey(at(name), 'ed25519');
    for (const name of ['user', 'locked']) sign(at('authority'), at(name), '-n', 'root');
    sign(at('authority'), at('late'), '-n', 'root', '-V', '20200101:20200102');
    sign(at('authority'), at('other'), '-n', 'somebody');
  });
  afterAll(() => signed.stop());

  const byKey = (path: string, change: Partial<OpensshTarget> = {}) =>
    signed.opensshTarget({ identities: [{ kind: 'key-file', path: at(path) }], ...change });

  it('of the user log in: one that is named, and one that lies beside the key', async () => {
    await works(byKey('user'));
    execFileSync('cp', [at('user'), at('user-alone')]);
    expect(failed(await says(byKey('user-alone'))).code).toBe('login-refused');
    await works(byKey('user-alone', { certificateFile: at('user-cert.pub') }));
  });

  it('of the user serve keys that are opened here', async () => {
    const passphrase = new Redacted('open sesame');
    const identities = [{ kind: 'key-file', path: at('locked'), passphrase }] as const;
    await works(signed.opensshTarget({ identities }));
    const privateKey = new Redacted(readFileSync(at('user'), 'utf8'));
    await works(
      signed.opensshTarget({
        identities: [{ kind: 'key', privateKey }],
        certificateFile: at('user-cert.pub'),
      }),
    );
  });

  it('of the user that do not hold are shown with what they say', async () => {
    const late = failed(await says(byKey('late', { certificateFile: at('late-cert.pub') })));
    expect(late).toMatchObject({ code: 'login-refused', host: 'hv1' });
    expect(late.detail).toMatch(
      /late-cert.pub is valid from 2020-01-01\S* to 2020-01-02\S*, for the users root/,
    );
    const other = failed(await says(byKey('other', { certificateFile: at('other-cert.pub') })));
    expect(other.detail).toContain('for the users somebody');
    const none = failed(await says(byKey('plain', { certificateFile: at('absent') })));
    expect(none).toMatchObject({ code: 'identity-unreadable', host: 'hv1' });
  });

  it('of the host make it known by its authority, which the built-in client cannot', async () => {
    const trusting = (line: string): Partial<OpensshTarget> => ({
      trust: { kind: 'known-hosts', files: [signed.file('known', line)] },
    });
    const authority = readFileSync(at('authority.pub'), 'utf8');
    await works(byKey('user', trusting(`@cert-authority * ${authority}`)));
    const stranger = readFileSync(at('plain.pub'), 'utf8');
    const refused = failed(await says(byKey('user', trusting(`@cert-authority * ${stranger}`))));
    expect(refused).toMatchObject({ code: 'host-key-unknown', host: 'hv1' });
    const elsewhere = failed(await says(byKey('user', trusting(`@cert-authority elsewhere ${authority}`))));
    expect(elsewhere.code).toBe('host-key-unknown');
  });
});

describe('a jump host', () => {
  let jump: Sshd;
  beforeAll(async () => {
    jump = await Sshd.start(['ed25519']);
    execFileSync('cp', [join(sshd.directory, 'authorized_keys'), join(jump.directory, 'authorized_keys')]);
  });
  afterAll(() => jump.stop());
  const files = (...servers: readonly Sshd[]) => [
    jump.file(`known-${servers.length}`, servers.map(knownLine).join('')),
  ];
  const through = (change: Partial<OpensshTarget> = {}) =>
    sshd.opensshTarget({
      proxyJump: `root@127.0.0.1:${jump.port}`,
      trust: { kind: 'known-hosts', files: files(jump, sshd) },
      ...change,
    });

  it('brings us to the host, over one connection each', async () => {
    await orphan.ended;
    const connection = open(through());
    for (let turn = 0; turn < 3; turn++) succeeded(await connection.exec(sh`true`, limits));
    expect(jump.sessions()).toHaveLength(1);
    expect(sshd.sessions()).toHaveLength(1);
    await connection.close();
    await until('the end of both', 10, () => jump.sessions().length + sshd.sessions().length === 0);
  });

  it('and the host are known each by its own key', async () => {
    const publicKeys = [sshd.publicKey('ed25519')];
    await works(through({ trust: { kind: 'pinned', publicKeys, files: files(jump) } }));
    const unknown = failed(await says(through({ trust: { kind: 'known-hosts', files: files(sshd) } })));
    expect(unknown).toMatchObject({ code: 'host-key-unknown', host: 'hv1' });
    expect(unknown.summary).toContain('jump host');
    const wrong = jump.file('wrong', `${nameOf(jump)} ${sshd.publicKey('ed25519')}\n${knownLine(sshd)}`);
    const changed = failed(await says(through({ trust: { kind: 'known-hosts', files: [wrong] } })));
    expect(changed).toMatchObject({ code: 'host-key-changed' });
    expect(changed.summary).toContain('jump host');
    const beyond = failed(await says(through({ trust: { kind: 'known-hosts', files: files(jump) } })));
    expect(beyond.code).toBe('host-key-unknown');
    expect(beyond.summary).toContain(`(127.0.0.1 port ${sshd.port})`);
    expect(beyond.copy).toBe(knownLine(sshd).trim());
  });

  it('is named when it is what fails', async () => {
    const stranger = failed(await says(through({ proxyJump: `nobody-here@127.0.0.1:${jump.port}` })));
    expect(stranger).toMatchObject({ code: 'login-refused', host: 'hv1' });
    expect(stranger.summary).toContain('a jump host');
    const gone = await Listener.start(() => undefined);
    await gone.stop();
    for (const [change, said] of [
      [{ proxyJump: `127.0.0.1:${gone.port}` }, /connect to host 127.0.0.1 port \d+: Connection refused/],
      [{ port: gone.port }, /open failed: connect failed: Connection refused/],
    ] as const) {
      const diagnostic = failed(await says(through(change)));
      expect(diagnostic).toMatchObject({ code: 'host-unreachable', host: 'hv1' });
      expect(diagnostic.summary).toContain('is not reached through its jump host');
      expect(diagnostic.detail).toMatch(said);
    }
  });

  it('that never answers is given up in time, with all that was started', async () => {
    const mute = await Listener.start(() => undefined);
    const slow = through({ proxyJump: `127.0.0.1:${mute.port}`, connectTimeoutSeconds: 1 });
    const late = failed(await says(slow));
    expect(late).toMatchObject({ code: 'host-unreachable' });
    expect(late.summary).toContain('through its jump host within 1 s (time-out)');
    await until('the end of the programs', 5, () => sshProcesses().length === 0);
    await mute.stop();
  });
});

describe('a host that makes the program talk', () => {
  const logs = () =>
    readdirSync('/proc/self/fd').flatMap((name) => {
      try {
        const isLog = /stockade-ssh-\w+\/log \(deleted\)$/.test(readlinkSync(`/proc/self/fd/${name}`));
        return isLog ? [statSync(`/proc/self/fd/${name}`).size] : [];
      } catch {
        return [];
      }
    });

  it('does not fill our disk with what it says', async () => {
    const hostKeys = [readFileSync(join(sshd.directory, 'host_ed25519'))];
    const server = new ssh2.Server({ hostKeys }, (client) => {
      client.on('error', () => undefined).on('authentication', (context) => context.accept());
      client.on('session', (accept) => {
        accept().on('exec', (start, _reject, { command }) => {
          const channel = start();
          channel.stderr.write(`${/stockade-[0-9a-f]{32}/.exec(command)?.[0] ?? ''} 4194304\n`);
          // The program writes a line or two for each.
          for (let turn = 0; turn < 12_000; turn++) {
            client.forwardOut('127.0.0.1', 1, '127.0.0.1', 2, () => undefined);
          }
          setTimeout(() => {
            channel.exit(0);
            channel.end();
          }, 1500);
        });
      });
    });
    const listener = await Listener.start((socket) => server.injectSocket(socket));
    let [size, timesEmptied] = [0, 0];
    const watch = setInterval(() => {
      const now = Math.max(0, ...logs());
      if (now < size) timesEmptied++;
      size = now;
    }, 10);
    try {
      const connection = open(sshd.opensshTarget({ port: listener.port }));
      succeeded(await connection.exec(sh`true`, limits));
      await until('the log being emptied', 5, () => timesEmptied > 0 && size <= 1024 * 1024);
      expect(logs()).toHaveLength(1);
    } finally {
      clearInterval(watch);
      await closeAll();
      await listener.stop();
    }
    expect(logs()).toEqual([]);
  });
});

describe('what could be taken for an option or a command', () => {
  const marker = () => join(sshd.directory, 'must-not-run');
  const hostile = () => [
    `-oProxyCommand=touch ${marker()}`,
    '-F/dev/null',
    `$(touch ${marker()})`,
    `;touch ${marker()}`,
    '`id`',
    'a b',
    "a'b",
    'a"b',
    'a\nb',
    '%h',
    '',
  ];

  it('is refused as an address, a user and a way, before any program runs', async () => {
    const port = 1;
    for (const odd of hostile()) {
      for (const change of [{ address: odd }, { user: odd }, { proxyJump: odd }, { proxyJump: `a,${odd}` }]) {
        const diagnostic = failed(await says(sshd.opensshTarget({ port, ...change })));
        expect(diagnostic, JSON.stringify(change)).toMatchObject({
          code: 'ssh-argument-refused',
          host: 'hv1',
        });
      }
    }
    expect(existsSync(marker())).toBe(false);
    // The control: this is what such a name does to the bare program.
    spawnSync('ssh', [hostile()[0] ?? '', '127.0.0.1', 'true'], { stdio: 'ignore', timeout: 10_000 });
    expect(existsSync(marker())).toBe(true);
    rmSync(marker());
  });

  it('is harmless in paths: they never get into the configuration or a command', async () => {
    const odd = join(
      sshd.directory,
      `it's "a" $(touch ${'must-not-run'}) \${HOME} %h #*?`.replaceAll('/', '_'),
    );
    mkdirSync(odd);
    const put = (name: string, content: string) => {
      execFileSync('cp', [sshd.file('moved', content), join(odd, name)]);
      return join(odd, name);
    };
    await works(
      sshd.opensshTarget({
        configFile: put('config', ''),
        identities: [{ kind: 'key-file', path: put('key', readFileSync(sshd.clientKey, 'utf8')) }],
        trust: { kind: 'known-hosts', files: [put('known', knownLine(sshd))] },
      }),
    );
    expect(existsSync(marker())).toBe(false);
  });
});

describe('secrets', () => {
  const admit = (path: string) =>
    appendFileSync(join(sshd.directory, 'authorized_keys'), readFileSync(`${path}.pub`));

  it('are in no file, argument or environment while the program logs in', async () => {
    const mute = await Listener.start(() => undefined);
    const secret = readFileSync(sshd.clientKey, 'utf8');
    const identities = [{ kind: 'key', privateKey: new Redacted(secret) }] as const;
    const slow = sshd.opensshTarget({ port: mute.port, identities, connectTimeoutSeconds: 1 });
    const connecting = says(slow);
    await until('the program', 5, () => sshProcesses().length > 0);
    await sleep(100);
    const [directory = ''] = readdirSync(place);
    expect(readdirSync(join(place, directory))).toEqual(expect.arrayContaining(['agent', 'config', 'log']));
    const lines = secret.split('\n').filter((line) => line.length > 30 && !line.startsWith('-----'));
    const seen = [
      ...['config', 'log', 'pinned'].map((name) => readFileSync(join(place, directory, name), 'latin1')),
      ...sshProcesses().flatMap((pid) =>
        ['cmdline', 'environ'].map((name) => readFileSync(`/proc/${pid}/${name}`, 'latin1')),
      ),
    ];
    expect(seen.length).toBeGreaterThanOrEqual(5);
    expect(lines.length).toBeGreaterThan(2);
    expect(seen.filter((one) => lines.some((line) => one.includes(line)))).toEqual([]);
    expect(failed(await connecting).code).toBe('host-unreachable');
    expect(readdirSync(place)).toEqual([]);
    await mute.stop();
  });

  it.each(['rsa', 'ecdsa', 'ed25519'] as const)('of type %s sign from our memory alone', async (type) => {
    const path = join(sshd.directory, `memory-${type}`);
    makeKey(path, type);
    admit(path);
    const privateKey = new Redacted(readFileSync(path, 'utf8'));
    await works(sshd.opensshTarget({ identities: [{ kind: 'key', privateKey }] }));
  });

  it('may stay in the agent: the key file tells only which', async () => {
    const path = join(sshd.directory, 'in-agent');
    makeKey(path, 'ed25519', 'open sesame');
    admit(path);
    const socket = join(sshd.directory, 'agent');
    const agent = await startAgent(socket);
    try {
      execFileSync('sh', [
        '-c',
        'printf "#!/bin/sh\necho open sesame\n" >"$1"; chmod 700 "$1"',
        'sh',
        `${path}.ask`,
      ]);
      execFileSync('ssh-add', ['-q', path], {
        env: {
          ...process.env,
          SSH_AUTH_SOCK: socket,
          SSH_ASKPASS: `${path}.ask`,
          SSH_ASKPASS_REQUIRE: 'force',
        },
        stdio: 'ignore',
      });
      const identities = [
        { kind: 'key-file', path },
        { kind: 'agent', socket },
      ] as const;
      await works(sshd.opensshTarget({ identities }));
      const [accepted] = sshd
        .log()
        .split('\n')
        .filter((line) => line.includes('Accepted publickey'))
        .slice(-1);
      const shown =
        execFileSync('ssh-keygen', ['-lf', `${path}.pub`], { encoding: 'utf8' }).split(' ')[1] ?? '?';
      expect(accepted).toContain(shown);
    } finally {
      agent.kill();
    }
  });
});

it('says what to do where there is no ssh', async () => {
  const path = process.env['PATH'];
  process.env['PATH'] = '/nonexistent';
  try {
    const diagnostic = failed(await says(sshd.opensshTarget()));
    expect(diagnostic).toMatchObject({ code: 'ssh-missing', host: 'hv1' });
    expect(diagnostic.summary).toContain('there is no such program');
    expect(diagnostic.hint).toContain('openssh-client');
  } finally {
    process.env['PATH'] = path;
  }
});

describe('nothing is left', () => {
  it('of a connection whose Stockade was killed, after ten seconds', async () => {
    expect(orphan.masters).toHaveLength(1);
    expect(await orphan.ended).toBeLessThan(15_000);
    expect(readdirSync(orphan.directory)).toEqual([]);
  });

  it('of those that were closed', async () => {
    await closeAll();
    await until('the end of all', 5, () => sshProcesses().length === 0);
    await until('the end of all sessions', 5, () => sshd.sessions().length === 0);
    expect(readdirSync(place)).toEqual([]);
  });
});
