import { z } from 'zod';
import { coreOf, type FieldMeta, field, fieldRegistry } from '../field.ts';
import { fleetSchema, hostEntrySchema } from '../fleet.ts';
import { guestSchema } from '../guest.ts';
import { hostSchema } from '../host.ts';
import { nameSchema } from '../names.ts';
import { qemuUsersSchema, userSchemes } from '../qemu-users.ts';

const metas = new WeakMap<z.ZodType, FieldMeta>();

/** What a schema says beyond its type. The registry puts that together anew at each question, and there are millions. */
export function metaOf(schema: z.ZodType): FieldMeta {
  const known = metas.get(schema);
  if (known !== undefined) return known;
  const meta = fieldRegistry.get(schema) ?? {};
  metas.set(schema, meta);
  return meta;
}

/**
 * A part of an object: every field may be left out, as it may be inherited, or be null, which takes away what is inherited. Objects in it are
 * parts too; what is in a list is whole, and so is an object that is replaced as a whole.
 */
function partOf(shape: z.ZodRawShape): z.ZodObject {
  const fields = Object.entries(shape).map(([key, schema]) => {
    const whole = schema as z.ZodType;
    const core = coreOf(whole);
    const isWhole = metaOf(whole).replacedWhole === true;
    const part = core instanceof z.ZodObject && !isWhole ? partOf(core.shape) : core;
    return [key, field(part.nullish(), whole.description ?? '', metaOf(whole))] as const;
  });
  return z.strictObject(Object.fromEntries(fields));
}

const { name: _hostName, probes, ...hostFields } = hostSchema.shape;
const { run, ...probesFields } = probes.unwrap().shape;
/** What stands below `hosts`: how a host is reached, and how it is to be. */
export const hostPart = partOf({
  ...hostEntrySchema.shape,
  ...hostFields,
  probes: field(
    z.strictObject({
      run: field(
        run,
        'Any text: the probes run when it is set and whenever it changes. A date, or a ticket.',
      ),
      ...probesFields,
    }),
    'Probes the isolation of this host on request: device models started as those of guests are try what an attacker would. Apply fails where an attempt gets through. Default: no probes.',
  ),
});

const { host: _usersHost, ...usersFields } = qemuUsersSchema.shape;
const usersDefaults = partOf(usersFields);
export const usersPart = partOf({
  host: field(nameSchema, 'The host they are on: its name below `hosts`.'),
  ...usersFields,
});

const { name: guestName, host: _host, users: _users, ...guestFields } = guestSchema.shape;
const guestDefaults = {
  host: field(nameSchema, 'The host: its name below `hosts`.'),
  users: field(
    z.enum(userSchemes),
    "The scheme of its host's users, of which it takes one. Default: that of the only users the host has.",
  ),
  ...guestFields,
};
const profileName = field(nameSchema, 'The profile it stands on: a name below `profiles`.');
export const profilePart = partOf({ profile: profileName, ...guestDefaults });
export const guestPart = partOf({
  profile: profileName,
  name: field(guestName, "The guest's name, unique on its host. Default: its key."),
  ...guestDefaults,
});

const { fleet, unreachable, eventsFile } = fleetSchema.shape;
const section = <T extends z.ZodType>(schema: T, description: string) => field(schema.nullish(), description);
/** An empty value is an empty object: all of it is inherited. */
const named = (part: z.ZodObject) => z.record(nameSchema, part.nullable());

/** What one file may say. All files of a fleet are read together. */
export const fileSchema = z.strictObject({
  $schema: section(
    z.string().max(4096),
    'The JSON Schema of this file, for editors. Stockade passes it over.',
  ),
  ...partOf({ fleet, unreachable, eventsFile }).shape,
  defaults: section(
    z.strictObject({
      hosts: section(hostPart, 'What all hosts inherit.'),
      users: section(usersDefaults, 'What all sets of users inherit.'),
      guests: section(partOf(guestDefaults), 'What all guests inherit.'),
    }),
    'What all hosts, users and guests have unless they say otherwise.',
  ),
  profiles: section(
    named(profilePart),
    'What guests that name it (`profile:`) have unless they say otherwise, by name. A profile may stand on another.',
  ),
  hosts: section(named(hostPart), 'The hosts by name: how each is reached, and how it is to be.'),
  users: section(z.array(usersPart), 'The users that guests run as: a set per host and scheme.'),
  guests: section(named(guestPart), 'The guests by name.'),
});
