import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { field } from '../../../provider/spec/field.ts';
import { fleetSchema } from '../../../provider/spec/fleet.ts';
import { guestSchema } from '../../../provider/spec/guest.ts';
import { qemuUsersSchema } from '../../../provider/spec/qemu-users.ts';
import { attributesOf } from '../../../provider/terraform/schema.ts';
import { attribute, type Attributes, isNested } from '../../../provider/tfplugin/types.ts';

function nested(attributes: Attributes, name: string): Attributes {
  const one = attributes[name];
  if (one === undefined || !isNested(one)) throw new Error(`${name} is not nested`);
  return one.attributes;
}

describe('attributes of a spec', () => {
  it('are named in snake_case and keep the help text', () => {
    const { memory_mib } = attributesOf(guestSchema, 'resource');
    expect(memory_mib).toEqual({
      type: 'number',
      required: true,
      description: guestSchema.shape.memoryMib.description,
    });
  });

  it('have their default in a resource, and only a mention of it in the configuration', () => {
    expect(attributesOf(guestSchema, 'resource')['vcpus']).toMatchObject({
      optional: true,
      computed: true,
      default: 1,
    });
    const sudo = nested(attributesOf(fleetSchema, 'configuration'), 'hosts')['sudo'];
    expect(sudo).toMatchObject({
      optional: true,
      description: expect.stringContaining('Default: false.') as string,
    });
    expect(sudo).not.toHaveProperty('default');
    expect(sudo).not.toHaveProperty('computed');
  });

  it('hide secrets', () => {
    const host = nested(attributesOf(fleetSchema, 'configuration'), 'hosts');
    const hidden = Object.entries(host).flatMap(([name, one]) => (one.sensitive === true ? [name] : []));
    expect(hidden).toEqual(['private_key', 'passphrase']);
  });

  it('say what forces a replacement and what stays over updates', () => {
    const attributes = attributesOf(qemuUsersSchema, 'resource');
    expect(attributes['scheme']).toMatchObject({ requiresReplace: true });
    expect(attributes['last_domid']).not.toHaveProperty('requiresReplace');
    expect(attributes['uid_base']).toMatchObject({
      optional: true,
      computed: true,
      keepWhenUpdated: true,
      requiresReplace: true,
    });
  });

  it('take computed attributes in at any depth', () => {
    const digest = attribute.string({ computed: true });
    const attributes = attributesOf(guestSchema, 'resource', { id: digest, 'kernel.sha256': digest });
    expect(attributes['id']).toBe(digest);
    expect(Object.keys(nested(attributes, 'kernel'))).toEqual(['file', 'host_file', 'sha256']);
    expect(Object.keys(nested(attributes, 'initrd'))).toEqual(['file', 'host_file']);
  });

  it('know lists and maps, of texts and of objects', () => {
    const element = z.strictObject({ sizeMib: field(z.int(), 'Size.') });
    const spec = z.strictObject({
      names: field(z.array(z.string()), 'Names.'),
      disks: field(z.array(element).optional(), 'Disks.'),
      labels: field(z.record(z.string(), z.string()), 'Labels.'),
    });
    expect(attributesOf(spec, 'resource')).toEqual({
      names: { type: { list: 'string' }, required: true, description: 'Names.' },
      disks: {
        nesting: 'list',
        optional: true,
        description: 'Disks.',
        attributes: { size_mib: { type: 'number', required: true, description: 'Size.' } },
      },
      labels: { type: { map: 'string' }, required: true, description: 'Labels.' },
    });
  });

  it('are sets where order means nothing', () => {
    const attributes = attributesOf(guestSchema, 'resource');
    expect(attributes['devices']).toMatchObject({ type: { set: 'string' }, optional: true });
    expect(nested(attributes, 'isolation')['off']).toMatchObject({ type: { set: 'string' } });
    expect(attributes['disks']).toMatchObject({ nesting: 'list' });
  });

  it('refuse a type that Terraform has not', () => {
    const spec = z.strictObject({ when: field(z.date(), 'When.') });
    expect(() => attributesOf(spec, 'resource')).toThrow('date');
  });
});
