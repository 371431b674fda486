import { z } from 'zod';
import type { HostSnapshot } from '../../engine/snapshot.ts';
import {
  type GuestEvidence,
  type LayerEvidence,
  layerNames,
  type ProcessIdentity,
} from '../../model/evidence.ts';
import { isIsolated, isProven } from '../../resources/guest/integrity.ts';
import { field } from '../../spec/field.ts';
import { nameSchema } from '../../spec/names.ts';
import {
  type Attributes,
  attribute,
  type DataSource,
  type ObjectValue,
  type Schema,
  textOf,
} from '../../tfplugin/types.ts';
import { printableLine } from '../../model/printable.ts';
import type { Hosts } from '../reach.ts';
import { attributesOf } from '../schema.ts';
import { checkSpec } from '../values.ts';
import { type Answer, readFromHost } from './source.ts';

const spec = z.strictObject({
  host: field(nameSchema, 'The host: `stockade_guest.x.host`.'),
  guest: field(nameSchema, "The guest's name: `stockade_guest.x.name`."),
  generation: field(
    z.int().min(1).optional(),
    '`stockade_guest.x.generation`: with it, evidence is taken after a change of the guest, not before.',
  ),
});

const text = (description: string) => attribute.string({ computed: true, description });
const count = (description: string) => attribute.number({ computed: true, description });

const layerAttributes: Attributes = {
  state: text(
    '`effective`, `ineffective`, `unproven` (it could not be read, or see `unprovable`), `missing` (the host cannot, and the definition allows that) or `off` (switched off in the definition). Only the first is good.',
  ),
  requested: text('What was asked for.'),
  observed: text('What the live processes show.'),
  unprovable: text('Why this host can never show it: `unproven` is then as expected. Else null.'),
  raw: attribute.list('string', {
    computed: true,
    description: 'The lines it rests on, as read; control characters are shown, not kept.',
  }),
};

const processAttributes: Attributes = {
  role: text(
    '`device-model`, `namespace-parent` (holds the pid namespace), `toolstack` (xl and its launcher), `logger` or `share-helper`.',
  ),
  pid: count('As the host sees it.'),
  executable_device: count('Device number of the program it runs.'),
  executable_inode: count('Inode of the program it runs.'),
  start_time_ticks: count('When it started, in clock ticks after boot.'),
  boot_id: text('The boot of the host that this is about.'),
};

const helperAttributes: Attributes = {
  driver: text('`proxy` or `virtiofs`.'),
  source: text('The directory of the host that it serves.'),
  running: attribute.bool({ computed: true, description: 'It runs.' }),
  layers: attribute.nested('map', layerAttributes, {
    computed: true,
    description:
      'By name of the layer. There is no `user`: a helper is root by design, it makes files of any owner.',
  }),
  processes: attribute.nested('list', processAttributes, {
    computed: true,
    description: 'The processes that were looked at, by what they cannot fake.',
  }),
};

const schema: Schema = {
  description:
    "What a guest's live processes show of its isolation, layer by layer, from /proc. Times and process numbers change by themselves: an output that shows them changes with them.",
  attributes: attributesOf(spec, 'resource', {
    taken_at: text("When it was taken, by the host's clock (RFC 3339); null where the host gave no answer."),
    running: attribute.bool({ computed: true, description: 'Its device model runs.' }),
    isolated: attribute.bool({
      computed: true,
      description:
        'It runs, and every layer stands as asked for: `effective`, or `off`, `missing` or `unproven` where definition and host say so.',
    }),
    proven: attribute.bool({
      computed: true,
      description:
        'It runs, and every layer is `effective`: none is off, missing or unproven, for whatever reason. A host without a security module does not reach that.',
    }),
    layers: attribute.nested('map', layerAttributes, {
      computed: true,
      description: 'By name of the layer.',
    }),
    processes: attribute.nested('list', processAttributes, {
      computed: true,
      description: 'The processes that were looked at, by what they cannot fake.',
    }),
    helpers: attribute.nested('map', helperAttributes, {
      computed: true,
      description: 'Helpers of the shares, by tag; a share that QEMU serves itself has none.',
    }),
    lost_helpers: attribute.list('string', {
      computed: true,
      description:
        'Helpers that have ended while it runs: `logger of serial`, `logger of stderr`. The guest shows it as drift of `integrity.process`.',
    }),
  }),
};

function values(evidence: GuestEvidence): ObjectValue {
  return {
    taken_at: evidence.takenAt,
    running: evidence.running,
    isolated: isIsolated(evidence),
    proven: isProven(evidence),
    layers: layerValues(evidence.layers),
    processes: evidence.processes.map(processValues),
    lost_helpers: evidence.lostHelpers,
    helpers: Object.fromEntries(
      evidence.helpers.map(({ tag, driver, source, running, layers, processes }) => [
        printableLine(tag),
        {
          ...{ driver, source, running, layers: layerValues(layers) },
          processes: processes.map(processValues),
        },
      ]),
    ),
  };
}

function layerValues(layers: readonly LayerEvidence[]): ObjectValue {
  return Object.fromEntries(
    layers.map(({ layer, state, requested, observed, unprovable = null, raw }) => [
      layer,
      { state, requested, observed: printableLine(observed), unprovable, raw: raw.map(printableLine) },
    ]),
  );
}

function processValues(one: ProcessIdentity): ObjectValue {
  return {
    role: one.role,
    pid: one.pid,
    executable_device: one.executableDevice,
    executable_inode: one.executableInode,
    start_time_ticks: one.startTimeTicks,
    boot_id: one.bootId,
  };
}

/** Nobody could look: no layer is proven, and nothing is said to run. */
function unproven(why: string): ObjectValue {
  const layer = { state: 'unproven', requested: 'not known', observed: why, unprovable: null, raw: [] };
  return {
    taken_at: null,
    running: false,
    isolated: false,
    proven: false,
    layers: Object.fromEntries(layerNames.map((name) => [name, layer])),
    processes: [],
    lost_helpers: [],
  };
}

/** `stockade_guest_evidence` */
export function guestEvidenceSource(hosts: Hosts): DataSource {
  return {
    schema,
    validate: async ({ config }) => checkSpec(spec, config),
    read: ({ config }) => {
      const host = textOf(config['host']) ?? '';
      const guest = textOf(config['guest']) ?? '';
      const generation = config['generation'] ?? null;
      const asked = { host, guest, generation };
      const answer = (snapshot: HostSnapshot): Answer => {
        const evidence = snapshot.evidence.get(guest);
        if (evidence !== undefined) return { state: { ...asked, ...values(evidence) } };
        const summary = `host ${host} has no guest ${guest}`;
        const detail =
          'What to do: refer to the guest (`guest = stockade_guest.x.name`), so that it is there first.';
        return { diagnostics: [{ severity: 'error', summary, detail, path: ['guest'] }] };
      };
      const unanswered = (why: string) => ({ ...asked, ...unproven(why) });
      return readFromHost(hosts, { host, answer, unanswered });
    },
  };
}
