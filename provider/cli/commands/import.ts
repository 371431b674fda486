import { Command } from 'commander';
import { describeAddress } from '../../model/address.ts';
import { problem } from '../../model/diagnostic.ts';
import { parseAddress } from '../address.ts';
import { addressesOf } from '../definitions.ts';
import { importDefinition } from '../library.ts';
import { fragmentYaml } from '../views/fragment-yaml.ts';
import { type Context, definitionsOf, fail, type FileOptions, resultOf, withFiles } from './common.ts';

export function importCommand(context: Context): Command {
  return withFiles(
    new Command('import')
      .description(
        'print the definition of what this fleet has on a host and the files do not have, to be put into them',
      )
      .argument('<address>', 'HOST, HOST/GUEST, or HOST/SCHEME for users'),
  ).action(async (text: string, { file }: FileOptions) => {
    const address = resultOf(context, parseAddress(text));
    const definitions = address === undefined ? undefined : definitionsOf(context, file);
    if (address === undefined || definitions === undefined) return;
    const name = describeAddress(address);
    if (address.kind !== 'host' && addressesOf(definitions).some((one) => describeAddress(one) === name)) {
      const position = definitions.source(address);
      fail(context, [
        problem('defined-already', `${name} is defined already`, {
          ...(position === undefined ? {} : { source: position }),
          hint: 'Nothing needs to be imported: `stockade plan` compares it with what the host has.',
        }),
      ]);
      return;
    }
    const fragment = resultOf(context, await importDefinition(definitions, address));
    if (fragment === undefined) return;
    const { console } = context;
    console.print(fragmentYaml(fragment));
    console.note('Put this into your definitions; then `stockade plan` shows that nothing changes.\n');
  });
}
