import { expect, it } from 'vitest';
import type { Round } from '../../../provider/connect/openssh/login.ts';
import type { Place } from '../../../provider/connect/openssh/place.ts';
import {
  environmentOf,
  keyArguments,
  masterArguments,
  type Run,
  sshConfig,
} from '../../../provider/connect/openssh/settings.ts';
import type { OpensshTarget } from '../../../provider/connect/target.ts';

/** A directory that is none: links are noted down. */
function notedPlace(): Place & { readonly links: string[] } {
  const directory = '/run/user/1000/stockade-ssh-AbCdEf';
  const path = (name: string) => `${directory}/${name}`;
  const links: string[] = [];
  return {
    directory,
    links,
    path,
    write: path,
    link: (name, file) => {
      links.push(`${name} -> ${file}`);
      return path(name);
    },
    named: (text) => text,
    remove: () => undefined,
  };
}

const alias: OpensshTarget = {
  connection: 'openssh',
  host: 'hv1',
  address: 'rack1',
  trust: { kind: 'ssh-config' },
  identities: [],
  sudo: false,
  connectTimeoutSeconds: 15,
};
const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBVpRcSqMS0OsXfqHKqyjNkOyWw4bzpT7FSSFDh4GXzE';
const round: Round = { keys: [], certificates: [], files: [], passedOver: [] };

const cases: readonly (readonly [string, OpensshTarget, Round | undefined, 'old' | 'new'])[] = [
  ['alias_of_the_configuration', alias, undefined, 'new'],
  [
    'alias_of_the_configuration_old_program',
    { ...alias, trust: { kind: 'known-hosts', files: [] } },
    undefined,
    'old',
  ],
  [
    'names_need_quotes',
    {
      ...alias,
      address: '2001:db8::2',
      port: 2222,
      user: 'ops',
      configFile: '/srv/it\'s "our" config/%h ${HOME}',
      certificateFile: '/srv/a b-cert.pub',
      trust: { kind: 'known-hosts', files: ['/srv/known hosts', '/srv/more; touch x'] },
    },
    { ...round, files: ['/srv/a b', '/srv/$(id)'] },
    'new',
  ],
  [
    'pinned_through_jump_hosts_with_agent',
    {
      ...alias,
      address: '198.18.0.2',
      proxyJump: 'ops@gate.example.org:2222,inner',
      trust: { kind: 'pinned', publicKeys: [key], files: ['/srv/jump-hosts'] },
    },
    { ...round, agent: "/run/user/1000/it's an agent" },
    'new',
  ],
];

it.each(cases)('%s', async (name, target, given, age) => {
  const place = notedPlace();
  const run: Run = { target, place, round: given, program: { hasKnownHostsCommand: age === 'new' } };
  const config = sshConfig(run);
  const { SHELL, LC_ALL, SSH_AUTH_SOCK } = environmentOf(run);
  const agent = given?.agent === undefined ? '(as it is)' : SSH_AUTH_SOCK;
  const text = [
    '# arguments',
    ...masterArguments(run).map((one) => JSON.stringify(one)),
    '# arguments to look at the key of a host that was refused',
    ...keyArguments(run, 'ssh-ed25519').map((one) => JSON.stringify(one)),
    '# environment',
    `SHELL=${SHELL} LC_ALL=${LC_ALL} SSH_AUTH_SOCK=${agent}`,
    '# links',
    ...place.links,
    '# configuration',
    config,
  ].join('\n');
  await expect(text).toMatchFileSnapshot(`./${name}.txt`);
});
