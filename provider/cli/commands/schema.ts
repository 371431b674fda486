import { Command } from 'commander';
import { jsonSchemaText } from '../../spec/yaml/json-schema.ts';
import type { Context } from './common.ts';

export function schemaCommand({ console }: Context): Command {
  return new Command('schema')
    .description('print the JSON Schema (draft 7) of definitions, for editors')
    .action(() => console.print(jsonSchemaText()));
}
