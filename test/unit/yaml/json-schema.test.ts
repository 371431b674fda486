import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { jsonSchema } from '../../../provider/spec/yaml/json-schema.ts';
import { fleetText } from './read.fixture.ts';

/** Reads the JSON Schema alone: nothing of the specification that it was made from. */
const fromJson = z.fromJSONSchema(jsonSchema());
const accepts = (text: string) => fromJson.safeParse(parse(text)).success;
const examples = readdirSync('examples/yaml').filter((name) => name.endsWith('.yaml'));

describe('the JSON Schema of definitions', () => {
  it('is of draft 7, and closed', () => {
    expect(jsonSchema()).toMatchObject({
      $schema: 'http://json-schema.org/draft-07/schema#',
      type: 'object',
      additionalProperties: false,
    });
  });

  it.each(examples)('accepts examples/yaml/%s, whose first line names it', (name) => {
    const file = path.join('examples/yaml', name);
    const text = readFileSync(file, 'utf8');
    expect(accepts(text)).toBe(true);
    const named = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text)?.[1] ?? '';
    const committed = readFileSync(path.join(path.dirname(file), named), 'utf8');
    expect(JSON.parse(committed)).toEqual(jsonSchema());
  });

  it.each([
    ['a reference to itself', '$schema: ./stockade.schema.json'],
    ['a part that is empty', 'guests:'],
    ['an object that inherits everything', 'guests: {web: , db: {}}'],
    ['null, which takes away', 'guests: {web: {vcpus: null, limits: {tasks: null}}}'],
    ['no more than a profile', 'profiles: {web: {memoryMib: 1}}'],
  ])('accepts %s', (_what, text) => {
    expect(accepts(text)).toBe(true);
  });

  it.each([
    ['a field that there is not', 'guests: {web: {memory: 1}}'],
    ['a number as text', 'guests: {web: {memoryMib: "1"}}'],
    ['a number beyond its limits', 'guests: {web: {memoryMib: 0}}'],
    ['a word that is none of those allowed', 'guests: {web: {machine: virt}}'],
    ['a map in place of a list', 'users: {host: hv1}'],
    ['a name that is none', 'hosts: {HV1: {}}'],
    ['a disk without its format', 'guests: {web: {disks: [{name: a, path: /a}]}}'],
    ['a field of guests in hosts', 'hosts: {hv1: {memoryMib: 1}}'],
  ])('refuses %s', (_what, text) => {
    expect(accepts(`${fleetText.split('\n')[0]}\n${text}`)).toBe(false);
  });

  it('describes every field, in the words of YAML', () => {
    const described: string[] = [];
    const missing: string[] = [];
    const walk = (part: unknown, at: string): void => {
      if (typeof part !== 'object' || part === null) return;
      const properties = 'properties' in part ? part.properties : {};
      for (const [name, field] of Object.entries(properties as object)) {
        const text = (field as { readonly description?: string }).description;
        if (text === undefined || text === '') missing.push(`${at}.${name}`);
        else described.push(text);
        walk(field, `${at}.${name}`);
      }
      for (const key of ['items', 'additionalProperties', 'anyOf'])
        if (key in part) for (const one of [(part as Record<string, unknown>)[key]].flat()) walk(one, at);
    };
    walk(jsonSchema(), '');
    expect(missing).toEqual([]);
    expect(described.filter((text) => /stockade_|memory_mib|host_key|data\./.test(text))).toEqual([]);
  });
});
