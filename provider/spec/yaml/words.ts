import { z } from 'zod';
import { coreOf } from '../field.ts';
import { fileSchema } from './schema.ts';

/** Names of all fields, wherever they stand. */
const fieldNames: ReadonlySet<string> = new Set(namesIn(fileSchema));

function namesIn(schema: z.ZodType): readonly string[] {
  const core = coreOf(schema);
  if (core instanceof z.ZodArray) return namesIn(core.element as z.ZodType);
  if (core instanceof z.ZodRecord) return namesIn(core.valueType as z.ZodType);
  if (!(core instanceof z.ZodObject)) return [];
  return Object.entries(core.shape).flatMap(([key, field]) => [key, ...namesIn(field as z.ZodType)]);
}

/**
 * The spec's texts name fields as Terraform does, `host_key` and `agent = true`: here they are `hostKey` and `agent: true`. What stands in
 * quotes, or in a path, is what somebody wrote, and stays.
 */
export function inYamlWords(text: string): string {
  return text
    .split(/("(?:[^"\\]|\\.)*")/)
    .map((piece, index) => (index % 2 === 0 ? fieldsInYamlWords(piece) : piece))
    .join('');
}

function fieldsInYamlWords(text: string): string {
  return text
    .replaceAll(/(?<![/\w])[a-z]+(?:_[a-z]+)+\b(?!\/)/g, (word) => {
      const camel = word.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
      return fieldNames.has(camel) ? camel : word;
    })
    .replaceAll(/\b([A-Za-z]+) = /g, (all, word: string) => (fieldNames.has(word) ? `${word}: ` : all));
}
