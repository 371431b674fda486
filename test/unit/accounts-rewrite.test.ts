import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rewriteProgram } from '../../provider/resources/accounts/rewrite-program.ts';

/** The program itself under the machine's awk, on files of the test's own. */
const names = ['group', 'gshadow', 'shadow', 'passwd'] as const;
type Files = Record<(typeof names)[number], string>;

const plain: Files = {
  passwd: 'root:x:0:0:root:/root:/bin/bash\nbackup:x:34:34:backup:/var/backups:/usr/sbin/nologin\n',
  group: 'root:x:0:\nbackup:x:34:\n',
  shadow: 'root:$y$secret:20000:0:99999:7:::\nbackup:*:20000:0:99999:7:::\n',
  gshadow: 'root:*::\nbackup:*::\n',
};

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'stockade-accounts-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** What the program said, and the files as they are afterwards. */
function rewrite(request: string, files: Files = plain): { said: string[]; files: Files } {
  mkdirSync(join(directory, 'out'), { recursive: true });
  for (const name of names) writeFileSync(join(directory, name), files[name]);
  const { stdout, stderr, status } = spawnSync(
    'awk',
    [rewriteProgram, 'out=out', 'phase=1', ...names, 'phase=2', ...names],
    {
      cwd: directory,
      env: {
        PATH: process.env['PATH'],
        LC_ALL: 'C',
        STOCKADE_ACCOUNTS_REQUEST: request,
        STOCKADE_ACCOUNTS_FILES: names.join(' '),
        STOCKADE_ACCOUNTS_SHELL: '/usr/sbin/nologin',
        STOCKADE_ACCOUNTS_DAY: '20000',
      },
    },
  );
  expect(stderr.toString()).toBe('');
  expect(status).toBe(0);
  const said = stdout.toString().split('\n').slice(0, -1);
  const after = { ...files };
  for (const line of said) {
    const [word, name, count] = line.split(' ');
    if (word !== 'change') continue;
    const file = names.find((one) => one === name) ?? 'passwd';
    after[file] = readFileSync(join(directory, 'out', file), 'utf8');
    expect(after[file].split('\n').length - 1).toBe(Number(count));
  }
  return { said, files: after };
}

const one = 'keep-range xen-qemuuser-domid 1 2 4100000000';

describe('rewriting the password files', () => {
  it('adds users past 2^31 with groups of their own, locked, and leaves every other byte', () => {
    const { files } = rewrite(one);
    expect(files).toEqual({
      passwd: `${plain.passwd}xen-qemuuser-domid1:x:4100000001:4100000001:Stockade:/nonexistent:/usr/sbin/nologin\nxen-qemuuser-domid2:x:4100000002:4100000002:Stockade:/nonexistent:/usr/sbin/nologin\n`,
      group: `${plain.group}xen-qemuuser-domid1:x:4100000001:\nxen-qemuuser-domid2:x:4100000002:\n`,
      shadow: `${plain.shadow}xen-qemuuser-domid1:!*:20000::::::\nxen-qemuuser-domid2:!*:20000::::::\n`,
      gshadow: `${plain.gshadow}xen-qemuuser-domid1:!*::\nxen-qemuuser-domid2:!*::\n`,
    });
  });

  it('does nothing a second time, and takes away to the byte what it added', () => {
    const made = rewrite(one).files;
    expect(rewrite(one, made).said).toEqual([]);
    expect(rewrite('drop-rest xen-qemuuser-domid 4100000000', made).files).toEqual(plain);
  });

  it('finishes what was killed between two of the four renames', () => {
    const made = rewrite(one).files;
    expect(rewrite(one, { ...made, passwd: plain.passwd }).files).toEqual(made);
    expect(
      rewrite('drop-rest xen-qemuuser-domid 4100000000', { ...made, passwd: plain.passwd }).files,
    ).toEqual(plain);
    expect(
      rewrite('drop-rest xen-qemuuser-domid 4100000000', { ...plain, passwd: made.passwd }).files,
    ).toEqual(plain);
  });

  it('keeps lines of the network information service last', () => {
    const nis = { ...plain, passwd: `${plain.passwd}+::::::\n`, group: `${plain.group}+:::\n` };
    const { files } = rewrite('keep stockade-logger auto', nis);
    expect(files.passwd).toBe(
      `${plain.passwd}stockade-logger:x:999:999:Stockade:/nonexistent:/usr/sbin/nologin\n+::::::\n`,
    );
  });

  it('takes a free system id, free as a group too, and keeps it', () => {
    const busy = { ...plain, group: `${plain.group}systemd-journal:x:999:\n` };
    const { files } = rewrite('keep stockade-logger auto', busy);
    expect(files.passwd).toContain('stockade-logger:x:998:998:');
    expect(rewrite('keep stockade-logger auto', files).said).toEqual([]);
  });

  it('never takes a user that somebody else made', () => {
    const line = 'xen-qemuuser-domid1:x:4100000001:4100000001:by hand:/nonexistent:/usr/sbin/nologin\n';
    const theirs = {
      passwd: plain.passwd + line,
      group: `${plain.group}xen-qemuuser-domid1:x:4100000001:\n`,
      shadow: `${plain.shadow}xen-qemuuser-domid1:!:20000::::::\n`,
      gshadow: `${plain.gshadow}xen-qemuuser-domid1:!::\n`,
    };
    const adopted = rewrite(one, theirs);
    expect(adopted.files.passwd).toContain(line);
    expect(rewrite('drop-rest xen-qemuuser-domid 4100000000', adopted.files).files).toEqual(theirs);
  });

  it.each([
    ['its uid is held', { passwd: 'eve:x:4100000001:1::/:/bin/sh\n' }, 'uid 4100000001 belongs to user eve'],
    [
      'its uid is held twice',
      {
        passwd:
          'xen-qemuuser-domid1:x:4100000001:4100000001:Stockade:/nonexistent:/usr/sbin/nologin\neve:x:4100000001:1::/:/bin/sh\n',
      },
      'uid 4100000001 belongs to user eve',
    ],
    ['its gid is held', { group: 'eve:x:4100000002:\n' }, 'gid 4100000002 belongs to group eve'],
    [
      'its name has a shell',
      { passwd: 'xen-qemuuser-domid1:x:4100000001:4100000001::/nonexistent:/bin/sh\n' },
      'user xen-qemuuser-domid1 exists with uid 4100000001, gid 4100000001, home /nonexistent, shell /bin/sh, a password',
    ],
    [
      'its group has members',
      { group: 'xen-qemuuser-domid1:x:4100000001:eve\n' },
      'group xen-qemuuser-domid1 exists with gid 4100000001 and members',
    ],
  ])('says who stands in the way when %s', (_, added: Partial<Files>, text) => {
    const files = {
      ...plain,
      ...Object.fromEntries(
        Object.entries(added).map(([name, line]) => [name, plain[name as keyof Files] + line]),
      ),
    };
    const { said, files: after } = rewrite(one, files);
    expect(said).toEqual([`clash ${text}`]);
    expect(after).toEqual(files);
  });

  it('finds who has an id in a range that must be free', () => {
    expect(rewrite('free 30 40').said).toEqual([
      'clash id 34 belongs to user backup',
      'clash id 34 belongs to group backup',
    ]);
    expect(rewrite('free 35 4294967290').said).toEqual([]);
  });

  it('heals what was changed on a user of ours, and moves one that sits on another', () => {
    const made = rewrite(one).files;
    const changed = {
      ...made,
      passwd: made.passwd
        .replace('domid1:x:4100000001:4100000001', 'domid1:x:4100000002:4100000002')
        .replace(/nologin\n$/, 'bash\n'),
      group: made.group.replace('domid2:x:4100000002:', 'domid2:x:7:root'),
      shadow: made.shadow.replace('domid2:!*', 'domid2:$y$x'),
    };
    expect(rewrite(one, changed).files).toEqual(made);
  });

  it('takes nothing in the files for a pattern or a program', () => {
    const odd = { ...plain, passwd: `${plain.passwd}a.*\\n%s:x:5:5:$(id):/ "':/bin/[\nno colons\n\n` };
    expect(rewrite('keep stockade-logger auto', odd).files.passwd.startsWith(odd.passwd)).toBe(true);
  });
});
