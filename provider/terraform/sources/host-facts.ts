import { z } from 'zod';
import { field } from '../../spec/field.ts';
import { nameSchema } from '../../spec/names.ts';
import { capabilitiesFor, type HostFacts } from '../../resources/host/facts.ts';
import { attribute, type DataSource, type Schema, textOf } from '../../tfplugin/types.ts';
import { hostFactsAttributes, hostFactsValues } from '../kinds/host-facts.ts';
import type { Hosts } from '../reach.ts';
import { attributesOf } from '../schema.ts';
import { checkSpec } from '../values.ts';
import { readFromHost } from './source.ts';

const spec = z.strictObject({ host: field(nameSchema, "The host's name in the provider's inventory.") });

const schema: Schema = {
  description:
    'What a host is like right now, prepared or not; all null where it gave no answer. Some of it changes by itself (boot id, guests): an output that shows that changes with it.',
  attributes: attributesOf(spec, 'resource', {
    ...hostFactsAttributes,
    boot_id: attribute.string({ computed: true, description: 'Changes with each boot.' }),
    missing_programs: attribute.list('string', {
      computed: true,
      description: 'Programs that are needed and missing.',
    }),
    cgroup_version: attribute.number({ computed: true, description: '1 or 2; null without control groups.' }),
    cgroup_controllers: attribute.list('string', {
      computed: true,
      description:
        'Controllers that units can be limited by; empty where limits are accepted and not enforced.',
    }),
    lsm: attribute.list('string', { computed: true, description: 'Active Linux security modules.' }),
    fleets: attribute.list('string', { computed: true, description: 'Fleets that have prepared the host.' }),
    guests: attribute.map('string', {
      computed: true,
      description: 'The fleet that owns each guest, by guest.',
    }),
  }),
};

function values(facts: HostFacts, fleet: string) {
  const { bootId, missingPrograms, cgroupVersion, cgroupControllers, lsm } = capabilitiesFor(facts, fleet);
  return {
    ...hostFactsValues(facts, fleet),
    boot_id: bootId,
    missing_programs: missingPrograms,
    cgroup_version: cgroupVersion ?? null,
    cgroup_controllers: cgroupControllers,
    lsm,
    fleets: [...facts.owners.keys()],
    guests: Object.fromEntries(facts.guests.map(({ guest, owner }) => [guest, owner])),
  };
}

/** What a host that gives no answer shows. */
const nothing = Object.fromEntries(Object.keys(schema.attributes).map((name) => [name, null]));

/** `stockade_host_facts` */
export function hostFactsSource(hosts: Hosts): DataSource {
  return {
    schema,
    validate: async ({ config }) => checkSpec(spec, config),
    read: ({ config }) => {
      const host = textOf(config['host']) ?? '';
      return readFromHost(hosts, {
        host,
        answer: ({ facts }, fleet) => ({ state: { host, ...values(facts, fleet) } }),
        unanswered: () => ({ ...nothing, host }),
      });
    },
  };
}
