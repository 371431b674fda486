import { Command } from 'commander';
import { type Address, describeAddress } from '../../model/address.ts';
import { problem } from '../../model/diagnostic.ts';
import type { Definitions } from '../../spec/definitions.ts';
import { parseAddress } from '../address.ts';
import { exitCodes } from '../exit-codes.ts';
import { evidence, openLink, plan } from '../library.ts';
import { humanEvidence } from '../views/evidence-human.ts';
import { humanDefinition } from '../views/definition-human.ts';
import { humanPlan } from '../views/plan-human.ts';
import { reportOf } from '../views/report.ts';
import { addressesOf, placed } from '../definitions.ts';
import { type Context, definitionsOf, fail, type FileOptions, resultOf, withFiles } from './common.ts';

export function explainCommand(context: Context): Command {
  return withFiles(
    new Command('explain')
      .description(
        'all about one object: where each field of it stands, what the host has, what would change and why',
      )
      .argument('<address>', 'HOST, HOST/GUEST, or HOST/SCHEME for users'),
  ).action(async (text: string, { file }: FileOptions) => {
    const address = resultOf(context, parseAddress(text));
    const definitions = address === undefined ? undefined : definitionsOf(context, file);
    if (address === undefined || definitions === undefined) return;
    const defined = specOf(definitions, address);
    if (defined === undefined) fail(context, [notDefined(definitions, address)]);
    else await explain(context, definitions, address, defined);
  });
}

async function explain(
  context: Context,
  definitions: Definitions,
  address: Address,
  spec: object,
): Promise<void> {
  const { console } = context;
  console.print(humanDefinition(address, spec, definitions.source, console.style));
  const limit = [address.kind === 'guest' ? `${address.host}/${address.name}` : address.host];
  const link = openLink(definitions.fleet.fleet);
  try {
    const planned = resultOf(context, await plan(definitions, { limit, link }));
    if (planned === undefined) return;
    const report = reportOf(planned);
    console.print(`\n${humanPlan(report, console.style, { details: true })}`);
    console.diagnostics(placed(definitions, [...report.warnings, ...report.failures]));
    if (report.failures.length > 0) context.end(exitCodes.failed);
    if (address.kind !== 'guest') return;
    const seen = resultOf(context, await evidence(definitions, { limit, link }));
    if (seen !== undefined) console.print(`\n${humanEvidence(seen, console.style, { details: true })}`);
  } finally {
    await link.close();
  }
}

function specOf(
  { hosts, users, guests, fleet }: Definitions,
  { kind, host, name }: Address,
): object | undefined {
  if (kind === 'guest') return guests.find((one) => one.host === host && one.name === name);
  if (kind === 'qemu-users') return users.find((one) => one.host === host && one.scheme === name);
  const entry = fleet.hosts[host];
  if (entry === undefined) return undefined;
  const { privateKey, passphrase, ...shown } = entry;
  const secret = (value: unknown) => (value === undefined ? undefined : '(redacted)');
  return {
    ...hosts.find((one) => one.name === host),
    ...{ ...shown, privateKey: secret(privateKey), passphrase: secret(passphrase) },
  };
}

function notDefined(definitions: Definitions, address: Address) {
  const like = addressesOf(definitions)
    .filter(({ kind }) => kind === address.kind)
    .slice(0, 10)
    .map(describeAddress);
  return problem('not-defined', `${describeAddress(address)} is not defined`, {
    hint: like.length === 0 ? 'See `stockade graph`.' : `These are: ${like.join(', ')}.`,
  });
}
