import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sh, word } from '../../provider/model/shell.ts';
import { capture } from '../lab/process.ts';
import { useLab } from '../lab/vitest.ts';
import { fleetDefinition, Folder, stillGuest } from './cli.fixture.ts';

const lab = useLab({ hosts: 1, name: 'cli-views' });
let folder: Folder;
beforeAll(async () => {
  folder = await Folder.make();
  folder.write('stockade.yaml', fleetDefinition({ hosts: lab.hosts, guests: { web1: stillGuest('h1') } }));
});

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const harmful = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
const json = (text: string) => JSON.parse(text) as Readonly<Record<string, unknown>>;

describe('several views of one plan', () => {
  it('come of one run', async () => {
    const shown = await folder.succeed(
      'plan',
      '--json',
      'plan.json',
      '--markdown',
      'plan.md',
      '--out',
      'a.plan',
    );
    expect(shown).toContain('Fleet fleet-1: 3 to create');
    expect(json(folder.read('plan.json'))).toMatchObject({ changes: true, counts: { create: 3 } });
    expect(folder.read('plan.md')).toContain('**3 to create; 0 stay as they are**');
    expect(json(folder.read('a.plan'))).toMatchObject({ format: 'stockade-plan 1', fleet: 'fleet-1' });
    expect(json(await folder.succeed('plan', '--json'))).toMatchObject({ format: 'stockade-plan-view 1' });
  });

  it('the script is that which runs: by hand it does the same', async () => {
    const script = await folder.succeed('plan', '--script', 'h1');
    expect(script).toContain("# 'guest web1 on h1: launcher'");
    // the kernel's bytes would follow on stdin: without them that step fails, and all before it is done
    const ran = await lab.host.exec(sh`cat >/tmp/script; sh /tmp/script </dev/null`, { stdin: script });
    expect(ran.stdout).toMatch(/^0{32} begin$/m);
    expect(ran.stdout).toMatch(/^0{32} 0 changed /m);
    expect(await folder.succeed('plan')).toContain('guest web1 on h1');
    expect(await folder.fail('plan', '--script', 'h9')).toContain('no plan was made for host "h9"');
  });
});

describe('apply on a terminal', () => {
  it('asks, shows details on request, takes no for an answer, and draws how it goes on', async () => {
    const declined = await folder.typing('d\nn\n', 'apply');
    expect(declined.exitCode).toBe(1);
    expect(declined.stdout.match(/Apply this\?/g)?.length).toBeGreaterThanOrEqual(2);
    expect(declined.stdout).toContain('Nothing was done.');
    const applied = await folder.typing('y\n', 'apply');
    expect(applied.exitCode).toBe(0);
    expect(applied.stdout).toMatch(/hosts \d of 1, guests \d of 1, steps \d+ of \d+, \d+ s/);
    expect(applied.stdout).toContain('Applied');
  });

  it('tells programs in JSON lines', async () => {
    folder.write(
      'stockade.yaml',
      fleetDefinition({ hosts: lab.hosts, guests: { web1: stillGuest('h1', { memoryMib: 80 }) } }),
    );
    const lines = (await folder.succeed('apply', '--yes', '--json')).trimEnd().split('\n').map(json);
    expect(lines[0]).toMatchObject({ format: 'stockade-plan-view 1' });
    expect(lines.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['batch-started', 'operation-finished']),
    );
    expect(lines.at(-1)).toMatchObject({ type: 'outcome', ok: true, hosts: [{ host: 'h1' }] });
  });
});

describe('the rest', () => {
  it('says what a host is like, and all about one object', async () => {
    expect(await folder.succeed('hosts')).toMatch(/guest +web1 of fleet-1, runs/);
    const about = await folder.succeed('explain', 'h1/web1');
    expect(about).toMatch(/guest web1 on h1, stockade\.yaml:\d+:\d+/);
    expect(about).toContain('memoryMib: 80');
    expect(about).toMatch(/chroot +effective/);
    expect(await folder.fail('explain', 'h1/web9')).toContain('These are: guest web1 on h1');
  });

  it('probes the host on request', async () => {
    const probed = await folder.run('evidence', '--probe');
    expect(probed).toMatchObject({ exitCode: 0 });
    expect(probed.stdout).toMatch(/^h1: \d+ probes: [1-9]\d* stopped, 0 got through/m);
  });

  it('completes in bash', async () => {
    writeFileSync(join(folder.path, 'completion'), await folder.succeed('completion', 'bash'));
    const script =
      '. ./completion; COMP_WORDS=(stockade plan --mark); COMP_CWORD=2; _stockade; echo "${COMPREPLY[*]}"';
    const completed = await capture('bash', ['-c', script], { cwd: folder.path });
    expect(completed).toMatchObject({ stdout: '--markdown\n', stderr: '' });
  });

  it('is a library of which the program uses the same functions', async () => {
    const root = join(import.meta.dirname, '../..');
    const program = `
      import { evidence, loadDefinitions, plan } from 'stockade-vm';
      const definitions = loadDefinitions([${JSON.stringify(join(folder.path, 'stockade.yaml'))}]);
      if (!definitions.ok) throw new Error(JSON.stringify(definitions));
      const planned = await plan(definitions.value);
      const proof = await evidence(definitions.value);
      console.log(planned.ok && planned.value.hosts[0]?.changes.map((one) => one.action).join(), proof.ok && proof.value[0]?.guests[0]?.isolated);
    `;
    const ran = await capture('node', ['--import', 'tsx', '--input-type=module', '--eval', program], {
      cwd: root,
    });
    expect(ran).toMatchObject({ exitCode: 0, stdout: 'noop,noop,noop true\n' });
  });
});

describe('what is hostile', () => {
  it('in names of files on the host, in what a step says and in definitions comes out harmless', async () => {
    await lab.host.run(
      sh`touch "/run/stockade/root/web1/$(printf '\\033[2J\\nerror: forged\\342\\200\\256<b>@team')"`,
    );
    const shown = await folder.run('plan', '--details', '--markdown', 'plan.md');
    expect(shown.stdout).toContain('not empty');
    expect(shown.stdout + shown.stderr).not.toMatch(harmful);
    const markdown = folder.read('plan.md');
    expect(markdown).not.toMatch(harmful);
    expect(markdown).not.toMatch(/<b>|@team/);
    const proof = await folder.run('evidence', '--details');
    expect(proof.stdout + proof.stderr).not.toMatch(harmful);
    const applied = await folder.run('apply', '--yes');
    expect(applied.exitCode).toBe(0);
    expect(applied.stderr).toContain('chroot');
    expect(applied.stdout + applied.stderr).not.toMatch(harmful);
    folder.write('bad.yaml', `fleet: "a\u202e\\e[2J"\nhosts: { "\\e]0;x\\a": {} }\n`);
    const refused = await folder.run('validate', '--file', 'bad.yaml');
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).not.toMatch(harmful);
    expect(readFileSync(join(folder.path, 'stockade-events.jsonl'), 'utf8')).not.toMatch(harmful);
  });

  it('a guest whose isolation does not hold is stopped, and the apply fails', async () => {
    const launcher = '/var/lib/stockade/guests/web1/launch';
    const isActive = async () =>
      (await lab.host.exec(['systemctl', 'is-active', 'stockade-guest@web1.service'])).stdout.trim();
    await lab.host.run(sh`chmod 0777 /run/stockade/root/web1; rm ${word(launcher)}; mkdir ${word(launcher)}`);
    expect(await isActive()).toBe('active');
    const proof = await folder.run('evidence');
    expect(proof).toMatchObject({ exitCode: 2 });
    expect(proof.stdout).toContain('h1/web1: NOT ISOLATED');
    const said = await folder.fail('apply', '--yes');
    expect(said).toContain('guest web1 on h1: chroot is ineffective');
    expect(said).toContain('The guest was stopped rather than left running unprotected');
    expect(await isActive()).not.toBe('active');
    await lab.host.run(sh`rmdir ${word(launcher)}`);
    await folder.succeed('apply', '--yes');
    expect(await isActive()).toBe('active');
    await folder.succeed('destroy', '--yes');
  });
});
