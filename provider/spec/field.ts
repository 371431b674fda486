import { z } from 'zod';

/** What a schema says about a field beyond its type; every other schema (Terraform, JSON Schema, docs) is derived from it. */
export interface FieldMeta {
  /** Changing it makes the object anew. */
  readonly forcesReplacement?: true;
  /** A secret: never shown. */
  readonly sensitive?: true;
  /** Only Stockade sets it. */
  readonly computed?: true;
  /** The user may set it; left unset, Stockade chooses. */
  readonly computedWhenUnset?: true;
  /** A computed value that stays as it is over updates, so a plan may keep it. */
  readonly stable?: true;
  /** A list whose order means nothing and in which nothing stands twice: a set, where there are such. */
  readonly unordered?: true;
  /** A path on the machine that applies. */
  readonly localPath?: true;
  /** An object of alternatives: where one definition stands on another, it is replaced as a whole, not merged. */
  readonly replacedWhole?: true;
}

export const fieldRegistry = z.registry<FieldMeta>();

/** Attaches meaning to a schema: the first sentence of `description` is the help text everywhere. */
export function field<T extends z.ZodType>(schema: T, description: string, meta: FieldMeta = {}): T {
  const described = schema.describe(description);
  fieldRegistry.add(described, meta);
  return described;
}

/** A spec field without its optional and default wrappers. */
export function coreOf(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable) {
    return coreOf(schema.unwrap() as z.ZodType);
  }
  return schema;
}

const controlCharacters = /[\u0000-\u001f\u007f]/;

/** One line of text without control characters, `max` characters at most. */
export function plainText(max: number) {
  return z
    .string()
    .min(1)
    .max(max)
    .refine((text) => !controlCharacters.test(text), 'must not contain control characters or line breaks');
}

/** An absolute path on a host, without `..` parts. */
export function hostPath() {
  return plainText(4096)
    .refine((path) => path.startsWith('/'), 'must be an absolute path')
    .refine((path) => !path.split('/').includes('..'), 'must not contain ".." parts');
}
