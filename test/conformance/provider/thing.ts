import {
  type ApplyResponse,
  type CallContext,
  type CreateRequest,
  type DeleteRequest,
  errorAt,
  type ImportRequest,
  isList,
  isObject,
  numberOf,
  objectOf,
  type ManagedResource,
  type MoveRequest,
  type ObjectValue,
  type PlanRequest,
  type PlanResponse,
  type ReadRequest,
  type TerraformValue,
  textOf,
  UNKNOWN,
  type UpdateRequest,
  type UpgradeRequest,
} from '../../../provider/tfplugin/index.ts';
import type { Store, StoredThing } from './store.ts';
import { thingSchema } from './thing-schema.ts';
import { wait } from './wait.ts';

const INTACT = { present: true, intact: true };

/** @param store known once the provider is configured */
export function thingResource(store: () => Store): ManagedResource {
  return {
    schema: thingSchema,
    validate: async ({ config }) =>
      config['secret'] === '1234' ? [errorAt(['secret'], 'A poor secret', 'Anyone guesses it.')] : [],
    upgrade: async ({ version, state }) => ({ state: upgradeState(version, state) }),
    read: (request) => read(store(), request),
    plan: async (request) => plan(request),
    planDelete: async ({ prior, privateState }) => ({
      privateState: { ...privateState, deletePlanned: true },
      diagnostics:
        prior['behaviour'] === 'warn-delete'
          ? [{ severity: 'warning', summary: 'It will be missed', path: ['name'] }]
          : [],
    }),
    create: (request, context) => create(store(), request, context),
    update: (request) => update(store(), request),
    delete: (request) => remove(store(), request),
    importState: (request) => importThing(store(), request),
    moveState: async (request) => moveFromBox(request),
  };
}

/** Version 0 had `label`, version 1 has `name` and sizes as text. */
function upgradeState(version: number, state: UpgradeRequest['state']): ObjectValue {
  const old = objectOf(state) ?? {};
  const { label, ...rest } = old;
  const named = version === 0 ? { ...rest, name: label ?? null } : rest;
  return { ...named, size: typeof named['size'] === 'string' ? Number(named['size']) : 3, integrity: INTACT };
}

async function read(store: Store, { state, privateState }: ReadRequest) {
  const name = nameOf(state);
  const thing = await store.read(name);
  if (thing === undefined) return { state: null };
  if (thing.size === 'broken') {
    return { state, diagnostics: [errorAt(['integrity', 'intact'], 'The shelf is broken', 'Mend it.')] };
  }
  const integrity = { present: true, intact: thing.intact };
  return {
    state: { ...state, id: name, name, size: Number(thing.size), revision: thing.revision, integrity },
    privateState: { ...privateState, reads: Number(privateState['reads'] ?? 0) + 1 },
  };
}

function plan(request: PlanRequest): PlanResponse {
  const { planned, prior, withComputedUnknown, privateState } = request;
  const marked = { ...privateState, plannedFor: request.action };
  if (planned['behaviour'] === 'throw-plan') throw new Error('the plan threw this');
  const drifted = prior !== null && isObject(prior['integrity']) && prior['integrity']['intact'] === false;
  const healed = { ...planned, integrity: INTACT };
  return { planned: drifted ? withComputedUnknown(healed) : healed, privateState: marked };
}

async function create(store: Store, request: CreateRequest, context: CallContext): Promise<ApplyResponse> {
  const name = nameOf(request.planned);
  const behaviour = request.planned['behaviour'];
  if (behaviour === 'crash') setTimeout(() => crash(), 0);
  if (behaviour === 'crash' || behaviour === 'slow') await store.note(`creating ${name}`);
  if (behaviour === 'throw') throw new Error('something unforeseen');
  if (behaviour === 'fail-clean') {
    return { state: null, diagnostics: [errorAt(['drawers', 1, 'label'], 'No room', 'Make some.')] };
  }
  const waited = await wait(behaviour, timeoutOf(request.planned), context.signal);
  if (waited !== undefined) {
    await store.note(`${waited} ${name}`);
    return { state: null, diagnostics: [errorAt(['name'], `Creating ${name}: ${waited}`)] };
  }
  const thing = storedFrom(request, 1);
  await store.write(name, thing);
  const state = stateOf(request.planned, name, 1);
  if (behaviour === 'fail-leaving') {
    const partial = { ...state, revision: UNKNOWN };
    return { state: partial, diagnostics: [errorAt([], 'Half made', 'The rest failed.')] };
  }
  return { state, privateState: { ...request.privateState, mark: `made-${name}` } };
}

async function update(store: Store, request: UpdateRequest): Promise<ApplyResponse> {
  const name = nameOf(request.planned);
  const revision = Number(request.prior['revision'] ?? 0) + 1;
  await store.write(name, storedFrom(request, revision));
  return { state: stateOf(request.planned, name, revision) };
}

async function remove(store: Store, { prior, privateState }: DeleteRequest) {
  if (prior['behaviour'] === 'sticky') {
    return { diagnostics: [errorAt(['behaviour'], 'It sticks', 'Pull harder.')] };
  }
  const name = nameOf(prior);
  await store.note(`deleted ${name} mark=${JSON.stringify(privateState)}`);
  await store.remove(name);
  return {};
}

async function importThing(store: Store, { id }: ImportRequest) {
  if ((await store.read(id)) === undefined) {
    const diagnostic = errorAt([], `There is no thing ${JSON.stringify(id)}`, 'Look into the folder.');
    return { imported: [], diagnostics: [diagnostic] };
  }
  return { imported: [{ state: { id, name: id }, privateState: { mark: `imported-${id}` } }] };
}

function moveFromBox({ sourceType, sourceState }: MoveRequest) {
  if (sourceType !== 'shelf_box') return undefined;
  const box = sourceState as ObjectValue;
  const name = textOf(box['label']) ?? '';
  const state = { id: name, name, size: box['volume'] ?? 3, revision: 1, integrity: INTACT };
  return { state, privateState: { mark: `moved-${name}` } };
}

function storedFrom(
  { planned, config, privateState, providerMeta }: CreateRequest,
  revision: number,
): StoredThing {
  return {
    size: String(numberOf(planned['size'])),
    revision,
    secret: textOf(planned['secret']) ?? null,
    passwordLength: textOf(config['password'])?.length ?? null,
    privateMark: textOf(privateState['mark']) ?? null,
    metaOwner: textOf(providerMeta?.['owner']) ?? null,
    intact: true,
  };
}

/** Everything planned as unknown gets its value. */
function stateOf(planned: ObjectValue, name: string, revision: number): ObjectValue {
  const { door, drawers, rooms } = planned;
  return {
    ...planned,
    id: name,
    revision,
    door: isObject(door) ? { ...door, serial: `door-of-${name}` } : null,
    drawers: isList(drawers)
      ? drawers.map((one, index) => (isObject(one) ? { ...one, key: `key-${index}` } : one))
      : null,
    rooms: isObject(rooms) ? Object.fromEntries(Object.entries(rooms).map(withArea)) : null,
  };
}

function withArea([key, room]: readonly [string, TerraformValue]): [string, TerraformValue] {
  return [key, isObject(room) ? { ...room, area: Number(room['width']) ** 2 } : room];
}

function timeoutOf(planned: ObjectValue): number | undefined {
  const text = textOf(objectOf(planned['timeouts'])?.['create']);
  return text === undefined ? undefined : Number.parseFloat(text) * 1000;
}

function crash(): never {
  throw new Error('the shelf collapsed');
}

/** An imported thing has nothing but its id yet. */
function nameOf(value: ObjectValue): string {
  return textOf(value['name']) ?? textOf(value['id']) ?? '';
}
