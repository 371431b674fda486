import type { Definitions } from '../../spec/definitions.ts';
import { terminalLine } from './escape.ts';

/** What is defined, by host: users, and the guests that take theirs from them, with what these use of the host. */
export function textGraph({ fleet, hosts, users, guests }: Definitions): string {
  const lines = [`fleet ${fleet.fleet}`];
  for (const { name } of hosts) {
    lines.push(`  host ${name}`);
    for (const { scheme } of users.filter(({ host }) => host === name)) {
      lines.push(`    users ${scheme}`);
      for (const guest of guests.filter((one) => one.users === `${name}/${scheme}`)) {
        lines.push(`      guest ${guest.name}`, ...usedBy(guest).map((used) => `        ${used}`));
      }
    }
  }
  return `${lines.map(terminalLine).join('\n')}\n`;
}

type Guest = Definitions['guests'][number];

function usedBy({ disks = [], shares = [], devices = [] }: Guest): readonly string[] {
  return [
    ...disks.map(({ path, readonly }) => `disk ${path}${readonly ? ' (read-only)' : ''}`),
    ...shares.map(({ source, readonly }) => `share ${source}${readonly ? ' (read-only)' : ''}`),
    ...devices.map((path) => `device ${path}`),
  ];
}

/** The same for Graphviz: each arrow points to what is needed. */
export function dotGraph({ fleet, users, guests }: Definitions): string {
  const arrow = (from: string, to: string) => `  ${dotText(from)} -> ${dotText(to)};`;
  return [
    `digraph ${dotText(fleet.fleet)} {`,
    '  rankdir = LR;',
    ...users.map(({ host, scheme }) => arrow(`users ${host}/${scheme}`, `host ${host}`)),
    ...guests.flatMap((guest) => {
      const name = `guest ${guest.host}/${guest.name}`;
      return [
        arrow(name, `users ${guest.users}`),
        ...usedBy(guest).map((used) => arrow(name, `${guest.host}: ${used}`)),
      ];
    }),
    '}',
    '',
  ].join('\n');
}

function dotText(text: string): string {
  return `"${terminalLine(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
