import { Command } from 'commander';
import { placed } from '../definitions.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Definitions } from '../../spec/definitions.ts';
import { type CommonOptions, evidence, openLink, probe } from '../library.ts';
import type { ProbedHost } from '../probing.ts';
import { humanEvidence } from '../views/evidence-human.ts';
import { evidenceJson } from '../views/evidence-json.ts';
import { humanProbes } from '../views/probes-human.ts';
import { type Context, definitionsOf, fail, resultOf, type SelectOptions, withSelection } from './common.ts';

interface EvidenceOptions extends SelectOptions {
  readonly json: boolean;
  readonly details: boolean;
  readonly probe: boolean;
}

export function evidenceCommand(context: Context): Command {
  return withSelection(
    new Command('evidence').description(
      'show from the live processes whether the isolation of every guest holds; ends with 2 where one does not',
    ),
  )
    .option('--details', 'every layer, and the processes it was seen on', false)
    .option('--json', 'all of it, with the raw lines, as JSON', false)
    .option('--probe', 'also let canaries on each host try what an attacker would', false)
    .action((options: EvidenceOptions) => runEvidence(context, options));
}

async function runEvidence(context: Context, options: EvidenceOptions): Promise<void> {
  const definitions = definitionsOf(context, options.file);
  if (definitions === undefined) return;
  const { console, end } = context;
  const link = openLink(definitions.fleet.fleet);
  try {
    const hosts = resultOf(context, await evidence(definitions, { ...options, link }));
    if (hosts === undefined) return;
    const probed = options.probe ? await probedHosts(context, definitions, { ...options, link }) : [];
    if (probed === undefined) return;
    if (options.json) console.print(evidenceJson(hosts, probed));
    else {
      console.print(humanEvidence(hosts, console.style, options));
      console.print(humanProbes(probed, console.style, options));
    }
    const guests = hosts.flatMap((host) => host.guests);
    const unseen = hosts.flatMap(({ diagnostics }) => diagnostics);
    const probes = probed.flatMap(({ diagnostics }) => diagnostics);
    const problems = guests.flatMap((guest) => guest.problems);
    console.diagnostics(placed(definitions, [...problems, ...unseen, ...probes]));
    if (unseen.length > 0 || probed.some(({ report }) => report === undefined)) end(exitCodes.failed);
    else if (guests.some(({ isolated }) => !isolated) || probes.some(({ severity }) => severity === 'error'))
      end(exitCodes.attention);
  } finally {
    await link.close();
  }
}

/** What is to be said of the patterns was said of the evidence. */
async function probedHosts(
  context: Context,
  definitions: Definitions,
  options: CommonOptions,
): Promise<readonly ProbedHost[] | undefined> {
  const probed = await probe(definitions, options);
  if (probed.ok) return probed.value;
  fail(context, probed.diagnostics);
  return undefined;
}
