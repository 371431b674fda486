import { execFileSync } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { OpensshTarget, SshTarget } from '../../provider/connect/target.ts';
import { Redacted } from '../../provider/model/redacted.ts';
import { sh, word } from '../../provider/model/shell.ts';
import {
  by,
  childrenOf,
  closeAll,
  endProcess,
  failed,
  isAlive,
  kinds,
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

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    if (turn > 400) throw new Error(`never came: ${what}`);
    await sleep(25);
  }
}

describe.each(kinds)('by %s:', (kind) => {
  let sshd: Sshd;

  beforeAll(async () => {
    sshd = await Sshd.start(['ed25519', 'rsa', 'ecdsa']);
    makeKey(join(sshd.directory, 'stranger'), 'ed25519');
    makeKey(join(sshd.directory, 'locked'), 'ed25519', 'open sesame');
  });
  afterEach(closeAll);
  afterAll(() => sshd.stop());

  const targetOf = (server: Sshd, changes: Partial<SshTarget> = {}): SshTarget | OpensshTarget =>
    by(kind, server.target(changes));

  describe('commands', () => {
    it('run as root and give back exit status, stdout and stderr', async () => {
      const connection = open(targetOf(sshd));
      const output = succeeded(await connection.exec(sh`id -u; echo "it's" $((6*7)) >&2; exit 3`, limits));
      expect(output).toMatchObject({ exitCode: 3, signal: undefined, interrupted: false });
      expect(text(output.stdout)).toBe('0\n');
      expect(text(output.stderr)).toBe("it's 42\n");
    });

    it('take any bytes as one word', async () => {
      const connection = open(targetOf(sshd));
      for (const odd of ['a b', "'", '$(id)`id`', '-n', 'line\nline', '*', '\\', '"', 'é€', '', '\t!#~']) {
        const output = succeeded(await connection.exec(sh`printf %s ${word(odd)}`, limits));
        expect(text(output.stdout)).toBe(odd);
      }
    });

    it('report the signal that ended them', async () => {
      const output = succeeded(await open(targetOf(sshd)).exec(sh`kill -s KILL $$`, limits));
      expect(output).toMatchObject({ exitCode: undefined, signal: 'SIGKILL', interrupted: false });
    });

    it('get their stdin whole, at their own pace, and its end', async () => {
      const piece = randomBytes(300_000);
      let produced = 0;
      async function* pieces() {
        for (let index = 0; index < 100; index++) {
          produced = index + 1;
          yield piece;
        }
      }
      const connection = open(targetOf(sshd));
      const fifo = join(sshd.directory, 'gate');
      execFileSync('mkfifo', [fifo]);
      const command = sh`read -r go <${word(fifo)}; sha256sum`;
      const running = connection.exec(command, { ...limits, stdin: pieces() });
      await until('some input', () => produced > 5);
      await sleep(300);
      // 30 MB are on offer; the windows of channel, pipe and socket hold a few of them while nobody reads.
      expect(produced).toBeLessThan(50);
      execFileSync('sh', ['-c', 'echo go >"$1"', 'sh', fifo]);
      const sum = execFileSync('sha256sum', {
        input: Buffer.concat(Array<Buffer>(100).fill(piece)),
        encoding: 'utf8',
      });
      expect(text(succeeded(await running).stdout)).toBe(sum);
    });

    it('may end without reading their stdin', async () => {
      let closed = false;
      async function* endless() {
        try {
          for (;;) yield Buffer.alloc(100_000);
        } finally {
          closed = true;
        }
      }
      const output = succeeded(await open(targetOf(sshd)).exec(sh`exit 4`, { ...limits, stdin: endless() }));
      expect(output.exitCode).toBe(4);
      await until('the source being closed', () => closed);
    });

    it('hand over stdout as it comes, and keep the last 16 KiB of stderr', async () => {
      const seen: string[] = [];
      const command = sh`i=0; while [ $i -lt 5000 ]; do echo "line $i" >&2; i=$((i+1)); done; echo out`;
      const output = succeeded(
        await open(targetOf(sshd)).exec(command, { ...limits, onStdout: (piece) => seen.push(text(piece)) }),
      );
      expect(seen.join('')).toBe('out\n');
      expect(output.stderr.length).toBe(16 * 1024);
      expect(text(output.stderr).endsWith('line 4999\n')).toBe(true);
    });

    it('fail when stdin cannot be read, and are ended', async () => {
      async function* broken() {
        yield Buffer.from('first');
        throw new Error('the disk is gone');
      }
      const result = await open(targetOf(sshd)).exec(sh`cat; sleep 600`, { ...limits, stdin: broken() });
      expect(failed(result)).toMatchObject({ code: 'input-failed', host: 'hv1' });
      expect(failed(result).summary).toContain('the disk is gone');
    });
  });

  describe('a command that must end early is ended on the host, with all it started', () => {
    const busy = sh`sleep 4711 & echo "$$ $!"; sleep 4712; echo more`;

    async function pidsOf(run: (onStdout: (piece: Uint8Array) => void) => Promise<void>): Promise<number[]> {
      let said = '';
      await run((piece) => (said += text(piece)));
      const pids = said.trim().split(/\s+/).map(Number);
      expect(pids).toHaveLength(2);
      return pids;
    }

    it('at its time-out', async () => {
      const connection = open(targetOf(sshd));
      const pids = await pidsOf(async (onStdout) => {
        const result = await connection.exec(busy, { ...limits, timeoutSeconds: 1, onStdout });
        expect(failed(result)).toMatchObject({
          code: 'command-timeout',
          host: 'hv1',
          detail: 'It was ended on the host.',
        });
      });
      await until('their end', () => !pids.some(isAlive));
      expect(succeeded(await connection.exec(sh`echo on`, limits)).exitCode).toBe(0);
      expect(connection.counters.connections).toBe(1);
    });

    it('when it is called off', async () => {
      const abort = new AbortController();
      const pids = await pidsOf(async (onStdout) => {
        const result = await open(targetOf(sshd)).exec(busy, {
          ...limits,
          signal: abort.signal,
          onStdout: (piece) => {
            onStdout(piece);
            abort.abort();
          },
        });
        expect(failed(result)).toMatchObject({ code: 'aborted', host: 'hv1' });
      });
      await until('their end', () => !pids.some(isAlive));
    });

    it('when it says too much', async () => {
      const connection = open(targetOf(sshd));
      const command = sh`echo "$$ $$"; exec yes`;
      const pids = await pidsOf(async (onStdout) => {
        const result = await connection.exec(command, {
          ...limits,
          maxStdoutBytes: 100_000,
          onStdout: (piece) => {
            if (text(piece).includes(' ')) onStdout(Buffer.from(text(piece).split('\n')[0] ?? ''));
          },
        });
        expect(failed(result)).toMatchObject({ code: 'output-too-large', host: 'hv1' });
      });
      await until('its end', () => !pids.some(isAlive));
    });

    it('and is never sent when it was called off before', async () => {
      const connection = open(targetOf(sshd));
      const result = await connection.exec(sh`true`, { ...limits, signal: AbortSignal.abort() });
      expect(failed(result).code).toBe('aborted');
      expect(connection.counters).toEqual({ connections: 0, commands: 0 });
    });
  });

  describe('one connection', () => {
    it('is made at the first command, and serves all, more than sshd allows at once', async () => {
      const connection = open(targetOf(sshd));
      expect(connection.counters.connections).toBe(0);
      const outputs = await Promise.all(
        Array.from({ length: 40 }, (_, index) => connection.exec(sh`sleep 0.05; echo ${index}`, limits)),
      );
      expect(outputs.map((output) => text(succeeded(output).stdout))).toEqual(
        Array.from({ length: 40 }, (_, index) => `${index}\n`),
      );
      expect(connection.counters).toEqual({ connections: 1, commands: 40 });
    });

    it('makes do with the sessions a stricter host allows', async () => {
      for (const sessions of [1, 3]) {
        const strict = await Sshd.start(['ed25519'], [`MaxSessions ${sessions}`]);
        try {
          const connection = open(targetOf(strict));
          const outputs = await Promise.all(
            Array.from({ length: 12 }, (_, index) => connection.exec(sh`sleep 0.05; echo ${index}`, limits)),
          );
          outputs.forEach((output, index) => expect(text(succeeded(output).stdout)).toBe(`${index}\n`));
          expect(connection.counters.connections).toBe(1);
          await connection.close();
        } finally {
          await strict.stop();
        }
      }
    });

    it('is made again, once, when it dropped while idle', async () => {
      const connection = open(targetOf(sshd));
      succeeded(await connection.exec(sh`true`, limits));
      const [session] = sshd.sessions();
      if (session === undefined) throw new Error('no session process');
      endProcess(session);
      await until('its end', () => !isAlive(session));
      expect(text(succeeded(await connection.exec(sh`echo again`, limits)).stdout)).toBe('again\n');
      expect(connection.counters).toEqual({ connections: 2, commands: 2 });
    });

    it('is made again when it turns out dead while a channel is opened: nothing was sent, so nothing runs twice', async () => {
      const between = await Listener.inFrontOf(sshd.port);
      try {
        const connection = open(targetOf(sshd, { port: between.port, connectTimeoutSeconds: 4 }));
        succeeded(await connection.exec(sh`true`, limits));
        between.stall();
        const log = join(sshd.directory, 'ran');
        expect(succeeded(await connection.exec(sh`echo ran >>${word(log)}`, limits)).exitCode).toBe(0);
        expect(readFileSync(log, 'utf8')).toBe('ran\n');
        expect(connection.counters.connections).toBe(2);
        expect(between.connections()).toBe(2);
      } finally {
        await closeAll();
        await between.stop();
      }
    });

    it('never runs a command again that was sent: the output so far comes back as interrupted', async () => {
      const connection = open(targetOf(sshd));
      const log = join(sshd.directory, 'once');
      const result = await connection.exec(sh`echo $$ >>${word(log)}; echo so far; sleep 600`, {
        ...limits,
        onStdout: () => sshd.sessions().forEach(endProcess),
      });
      const output = succeeded(result);
      expect(output).toMatchObject({ interrupted: true, exitCode: undefined });
      expect(text(output.stdout)).toBe('so far\n');
      expect(result.ok && result.warnings.map(({ code }) => code)).toEqual(['connection-lost']);
      const pids = readFileSync(log, 'utf8').trim().split('\n').map(Number);
      expect(pids).toHaveLength(1);
      pids.forEach((pid) => process.kill(-pid, 'SIGKILL'));
      expect(connection.counters.connections).toBe(1);
    });

    it('ends with close, and takes no command afterwards', async () => {
      const connection = open(targetOf(sshd));
      succeeded(await connection.exec(sh`true`, limits));
      await connection.close();
      await until('the end of its session', () => sshd.sessions().length === 0);
      expect(failed(await connection.exec(sh`true`, limits)).code).toBe('aborted');
    });
  });

  describe("the host's key", () => {
    const known = (lines: string): SshTarget['trust'] => ({
      kind: 'known-hosts',
      files: [sshd.file('known_hosts', lines)],
    });
    const name = () => `[127.0.0.1]:${sshd.port}`;

    async function refusal(trust: SshTarget['trust']) {
      const diagnostic = failed(
        await open(targetOf(sshd, { trust })).exec(sh`touch ${word(marker())}`, limits),
      );
      expect(existsSync(marker())).toBe(false);
      expect(diagnostic.host).toBe('hv1');
      expect(diagnostic.hint).toBeTruthy();
      return diagnostic;
    }
    const marker = () => join(sshd.directory, 'must-not-run');
    const works = async (trust: SshTarget['trust']) =>
      succeeded(await open(targetOf(sshd, { trust })).exec(sh`true`, limits));

    it.each(['ed25519', 'rsa', 'ecdsa'] as const)('is enough when only its %s key is known', async (type) => {
      await works({ kind: 'pinned', publicKeys: [sshd.publicKey(type)] });
      await works(known(`${name()} ${sshd.publicKey(type)}\n`));
    });

    it('is found hashed, among others, and by patterns', async () => {
      const salt = randomBytes(20);
      const hash = createHmac('sha1', salt).update(name()).digest('base64');
      await works(
        known(
          `elsewhere ${sshd.publicKey('rsa')}\n|1|${salt.toString('base64')}|${hash} ${sshd.publicKey('ed25519')}\n`,
        ),
      );
      await works(known(`[127.0.?.*]:${sshd.port} ${sshd.publicKey('ed25519')}\n`));
      await works(known(`127.0.0.1 ${sshd.publicKey('ed25519')}\n`));
    });

    it('is refused when unknown, with the line that would make it known', async () => {
      const diagnostic = await refusal(known('# nothing here\n'));
      const shown = execFileSync('ssh-keygen', ['-lf', join(sshd.directory, 'host_ed25519.pub')], {
        encoding: 'utf8',
      });
      expect(diagnostic.code).toBe('host-key-unknown');
      expect(diagnostic.detail).toContain(`ssh-ed25519 ${shown.split(' ')[1]}`);
      await works(known(`${diagnostic.copy}\n`));
    });

    it('is refused when the file is missing, and the file is named', async () => {
      const diagnostic = await refusal({ kind: 'known-hosts', files: [join(sshd.directory, 'absent')] });
      expect(diagnostic.code).toBe('host-key-unknown');
      expect(diagnostic.detail).toMatch(/absent cannot be read: there is no such file/);
    });

    it('is refused when changed, with the line of the other', async () => {
      const stranger = readFileSync(join(sshd.directory, 'stranger.pub'), 'utf8');
      const diagnostic = await refusal(known(`\n${name()} ${stranger}`));
      expect(diagnostic.code).toBe('host-key-changed');
      expect(diagnostic.detail).toContain('known_hosts:2: ssh-ed25519 SHA256:');
      const pinned = await refusal({ kind: 'pinned', publicKeys: [stranger] });
      expect(pinned.code).toBe('host-key-changed');
    });

    it('is refused when revoked, even beside a line that trusts it', async () => {
      const key = sshd.publicKey('ed25519');
      const diagnostic = await refusal(known(`${name()} ${key}\n@revoked * ${key}\n`));
      expect(diagnostic.code).toBe('host-key-revoked');
      expect(diagnostic.detail).toContain('known_hosts:2');
    });

    it("is not vouched for by a certificate authority's line", async () => {
      const diagnostic = await refusal(known(`@cert-authority * ${sshd.publicKey('ed25519')}\n`));
      expect(diagnostic.code).toBe('host-key-unknown');
      expect(diagnostic.detail).toContain('does not vouch for a plain key');
    });

    it('is refused when nothing, or nonsense, is pinned', async () => {
      expect((await refusal({ kind: 'pinned', publicKeys: [] })).code).toBe('host-key-malformed');
      expect((await refusal({ kind: 'pinned', publicKeys: ['ssh-ed25519 AAAA'] })).code).toBe(
        'host-key-malformed',
      );
      expect((await refusal({ kind: 'known-hosts', files: [] })).code).toBe('host-key-unknown');
    });

    it('comes with a warning, once, for every line that cannot be read', async () => {
      const trust = known(`nonsense\n${name()} ${sshd.publicKey('ed25519')}\n`);
      const connection = open(targetOf(sshd, { trust }));
      const first = await connection.exec(sh`true`, limits);
      expect(first).toMatchObject({
        ok: true,
        warnings: [{ severity: 'warning', code: 'known-hosts-malformed', source: { line: 1 } }],
      });
      expect(await connection.exec(sh`true`, limits)).toMatchObject({ ok: true, warnings: [] });
    });
  });

  describe('identities', () => {
    const key = (name: string) => join(sshd.directory, name);
    const login = async (identities: SshTarget['identities']) =>
      await open(targetOf(sshd, { identities })).exec(sh`true`, limits);

    it('may be a string', async () => {
      const privateKey = new Redacted(readFileSync(sshd.clientKey, 'utf8'));
      succeeded(await login([{ kind: 'key', privateKey }]));
    });

    it('may be encrypted', async () => {
      execFileSync('sh', ['-c', 'cat "$1" >>"$2"', 'sh', key('locked.pub'), key('authorized_keys')]);
      const path = key('locked');
      succeeded(await login([{ kind: 'key-file', path, passphrase: new Redacted('open sesame') }]));
      const wrong = failed(await login([{ kind: 'key-file', path, passphrase: new Redacted('wrong') }]));
      expect(wrong).toMatchObject({ code: 'identity-unreadable', host: 'hv1' });
      expect(wrong.summary).toContain('the passphrase does not open it');
      expect(failed(await login([{ kind: 'key-file', path }])).summary).toContain('no passphrase is given');
    });

    it('are tried in order; those that cannot be used are a warning when another does it', async () => {
      const result = await login([
        { kind: 'key-file', path: key('absent') },
        { kind: 'key-file', path: key('stranger') },
        { kind: 'key-file', path: sshd.clientKey },
      ]);
      expect(result).toMatchObject({
        ok: true,
        warnings: [{ severity: 'warning', code: 'identity-unreadable' }],
      });
    });

    it('are named when the host refuses them all', async () => {
      const diagnostic = failed(await login([{ kind: 'key-file', path: key('stranger') }]));
      expect(diagnostic).toMatchObject({ code: 'login-refused', host: 'hv1' });
      expect(diagnostic.detail).toMatch(/Tried: key .*stranger \(ssh-ed25519 SHA256:/);
      expect(failed(await open(targetOf(sshd, { user: 'nobody-here' })).exec(sh`true`, limits)).code).toBe(
        'login-refused',
      );
      expect(failed(await login([])).code).toBe('login-refused');
    });

    it.each([
      ['others may read it', () => sshd.file('open', readFileSync(sshd.clientKey, 'utf8'), 0o644)],
      ['there is no such file', () => key('absent')],
      ['it is a directory', () => sshd.directory],
      ['it is not a private key in a known format', () => sshd.file('garbage', '-----BEGIN RUBBISH-----\n')],
      ['it is a public key', () => sshd.file('public', readFileSync(key('client.pub'), 'utf8'))],
    ])('say why a file cannot be used: %s', async (reason, path) => {
      const diagnostic = failed(await login([{ kind: 'key-file', path: path() }]));
      expect(diagnostic).toMatchObject({ code: 'identity-unreadable', host: 'hv1' });
      expect(diagnostic.summary).toContain(reason);
      expect(diagnostic.hint).toBeTruthy();
    });

    it('may come from an agent, after one that fails', async () => {
      const socket = key('agent');
      const agent = await startAgent(socket);
      try {
        const environment = { ...process.env, SSH_AUTH_SOCK: socket };
        const empty = failed(await login([{ kind: 'agent', socket }]));
        expect(empty.code).toBe('login-refused');
        expect(empty.detail).toContain(`Tried: the keys of agent ${socket}`);
        execFileSync('ssh-add', ['-q', key('stranger')], { env: environment, stdio: 'ignore' });
        execFileSync('ssh-add', ['-q', sshd.clientKey], { env: environment, stdio: 'ignore' });
        succeeded(
          await login([
            { kind: 'agent', socket: key('absent') },
            { kind: 'agent', socket },
          ]),
        );
      } finally {
        agent.kill();
      }
      expect(failed(await login([{ kind: 'agent', socket: key('absent') }])).summary).toContain(
        'there is no such socket',
      );
    });

    it('never show a secret', async () => {
      const passphrase = new Redacted('a very secret phrase');
      const result = await login([{ kind: 'key-file', path: key('locked'), passphrase }]);
      expect(JSON.stringify(result)).not.toContain('a very secret phrase');
    });
  });

  describe('a host that cannot be reached says how', () => {
    async function attempt(changes: Partial<SshTarget>) {
      const connection = open(targetOf(sshd, { connectTimeoutSeconds: 1, ...changes }));
      const diagnostic = failed(await connection.exec(sh`true`, limits));
      expect(diagnostic).toMatchObject({ code: 'host-unreachable', host: 'hv1' });
      expect(diagnostic.hint).toBeTruthy();
      expect(connection.counters.connections).toBe(0);
      return diagnostic.summary;
    }

    it('refused', async () => {
      const gone = await Listener.start(() => undefined);
      await gone.stop();
      expect(await attempt({ port: gone.port })).toContain('refuses the connection');
    });

    it('a name that is none', async () => {
      const summary = await attempt({ address: 'no-such-host.invalid', connectTimeoutSeconds: 20 });
      expect(summary).toMatch(/does not exist \(DNS\)|could not be resolved \(DNS\)/);
    });

    it('a listener that never speaks', async () => {
      const mute = await Listener.start(() => undefined);
      expect(await attempt({ port: mute.port })).toMatch(/does not complete the SSH handshake within 1 s/);
      await mute.stop();
    });

    it('one that stalls after its banner', async () => {
      const stalled = await Listener.start((socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'));
      expect(await attempt({ port: stalled.port })).toMatch(/does not complete the SSH handshake within 1 s/);
      await stalled.stop();
    });

    it('one that speaks something else, or hangs up', async () => {
      const web = await Listener.start((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
      expect(await attempt({ port: web.port })).toContain('does not complete the SSH handshake');
      await web.stop();
      const curt = await Listener.start((socket) => socket.destroy());
      expect(await attempt({ port: curt.port })).toContain('does not complete the SSH handshake');
      await curt.stop();
    });
  });

  describe('a command that never started as root', () => {
    it('because there is no sudo', async () => {
      const bare = await Sshd.start(['ed25519'], [], 'PATH=/nonexistent');
      try {
        const diagnostic = failed(await open(targetOf(bare, { sudo: true })).exec(sh`true`, limits));
        expect(diagnostic).toMatchObject({
          code: 'sudo-refused',
          host: 'hv1',
          summary: 'host hv1 has no sudo',
        });
        await closeAll();
      } finally {
        await bare.stop();
      }
    });

    it('because a forced command stands in the way', async () => {
      const forced = await Sshd.start(['ed25519'], ['ForceCommand echo "go away"; exit 0']);
      try {
        const diagnostic = failed(await open(targetOf(forced)).exec(sh`true`, limits));
        expect(diagnostic).toMatchObject({ code: 'shell-refused', host: 'hv1' });
        expect(diagnostic.detail).toContain('go away');
        await closeAll();
      } finally {
        await forced.stop();
      }
    });

    it('but is a command that failed when it says itself that sudo failed', async () => {
      const output = succeeded(
        await open(targetOf(sshd, { sudo: true })).exec(
          sh`echo "sudo: a password is required" >&2; exit 1`,
          limits,
        ),
      );
      expect(output.exitCode).toBe(1);
    });
  });

  it('leaves nothing behind', async () => {
    await closeAll();
    await until('the end of all sessions', () => sshd.sessions().length === 0);
    expect(
      childrenOf(process.pid).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('sleep')),
    ).toEqual([]);
  });
});
