import { Command } from 'commander';
import { exitCodes } from '../exit-codes.ts';
import { evidence } from '../library.ts';
import { humanEvidence } from '../views/evidence-human.ts';
import { evidenceJson } from '../views/evidence-json.ts';
import {
  type Context,
  definitionsOf,
  placed,
  resultOf,
  type SelectOptions,
  withSelection,
} from './common.ts';

interface EvidenceOptions extends SelectOptions {
  readonly json: boolean;
  readonly details: boolean;
}

export function evidenceCommand(context: Context): Command {
  return withSelection(
    new Command('evidence').description(
      'show from the live processes whether the isolation of every guest holds; ends with 2 where one does not',
    ),
  )
    .option('--details', 'every layer, and the processes it was seen on', false)
    .option('--json', 'all of it, with the raw lines, as JSON', false)
    .action(async (options: EvidenceOptions) => {
      const definitions = definitionsOf(context, options.file);
      if (definitions === undefined) return;
      const hosts = resultOf(context, await evidence(definitions, options));
      if (hosts === undefined) return;
      const { console, end } = context;
      console.print(options.json ? evidenceJson(hosts) : humanEvidence(hosts, console.style, options));
      const guests = hosts.flatMap((host) => host.guests);
      const problems = guests.flatMap((guest) => guest.problems);
      const unseen = hosts.flatMap(({ diagnostics }) => diagnostics);
      console.diagnostics(placed(definitions, [...problems, ...unseen]));
      if (unseen.length > 0) end(exitCodes.failed);
      else if (guests.some(({ isolated }) => !isolated)) end(exitCodes.attention);
    });
}
