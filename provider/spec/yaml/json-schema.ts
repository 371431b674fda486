import { z } from 'zod';
import { fileSchema } from './schema.ts';
import { inYamlWords } from './words.ts';

type Part = z.core.JSONSchema.BaseSchema;

/** What editors know of a file of definitions. Rules over several fields, and what is inherited, only reading all files shows. */
export function jsonSchema(): Readonly<Record<string, unknown>> {
  const schema = z.toJSONSchema(fileSchema, {
    target: 'draft-7',
    io: 'input',
    override: ({ jsonSchema: part }) => {
      if (part.description !== undefined) part.description = inYamlWords(part.description);
      simplifyNullable(part);
    },
  });
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Stockade definitions',
    description: 'A file of definitions of one fleet: its hosts, their users, and restricted guests.',
    ...schema,
  };
}

/** The same as a file. */
export function jsonSchemaText(): string {
  return `${JSON.stringify(jsonSchema(), null, 2)}\n`;
}

/** `anyOf` of something and null becomes one schema of two types: editors show that better. */
function simplifyNullable(part: Part): void {
  const [one, other, ...more] = part.anyOf ?? [];
  if (one === undefined || other?.type !== 'null' || more.length > 0) return;
  if (typeof one.type !== 'string') return;
  delete part.anyOf;
  const { description = one.description } = part;
  Object.assign(part, one, { type: [one.type, 'null'] });
  if (one.enum !== undefined) part.enum = [...one.enum, null];
  if (description !== undefined) part.description = description;
}
