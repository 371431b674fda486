import { Aspects, dependable, type TerraformResource, TerraformStack } from 'cdktf';
import type { Gate } from './gate.ts';
import { RestrictedGuest } from './guest.ts';

const gatesOf = new WeakMap<TerraformStack, Gate[]>();
/** A new reference each time would not be the same to who adds it twice. */
const references = new WeakMap<Gate, string>();

/**
 * Makes the second group of a gate wait for it when the stack is synthesized, with all that is there for guests behind the gate alone.
 * @throws where a guest of its first group waits for the gate
 */
export function holdBack(gate: Gate): void {
  const stack = TerraformStack.of(gate);
  const gates = gatesOf.get(stack) ?? arrangedAtSynth(stack);
  gates.push(gate);
  const waiting = gate.after.find((guest) => gatesBefore(guest, gates).has(gate));
  if (waiting === undefined) return;
  const why = gate.before.includes(waiting)
    ? 'cannot come before it and after it'
    : 'has to come first and would wait for it, by other gates';
  throw new Error(`${gate.node.path}: ${waiting.node.path} ${why}`);
}

function arrangedAtSynth(stack: TerraformStack): Gate[] {
  const gates: Gate[] = [];
  gatesOf.set(stack, gates);
  Aspects.of(stack).add({
    visit: (node) => {
      if (node === stack) arrange(stack, gates);
    },
  });
  return gates;
}

function arrange(stack: TerraformStack, gates: readonly Gate[]): void {
  for (const gate of gates) for (const { resource } of gate.before) waitFor(resource, gate);
  const guests = stack.node.findAll().filter((node) => node instanceof RestrictedGuest);
  const before = new Map(guests.map((guest) => [guest, gatesBefore(guest, gates)]));
  const needed = new Map<TerraformResource, RestrictedGuest[]>();
  for (const guest of guests) {
    for (const { resource } of [guest.users, guest.host]) {
      needed.set(resource, [...(needed.get(resource) ?? []), guest]);
    }
  }
  for (const [resource, users] of needed) {
    const common = gates.filter((gate) => users.every((guest) => before.get(guest)?.has(gate)));
    for (const gate of lastOf(common, gates)) waitFor(resource, gate);
  }
}

/** All gates that a guest waits for: its own, and those of the guests that these come after. */
function gatesBefore(guest: RestrictedGuest, gates: readonly Gate[]): ReadonlySet<Gate> {
  const found = new Set<Gate>();
  const guests = new Set([guest]);
  for (const one of guests) {
    for (const gate of gates) {
      if (!gate.before.includes(one)) continue;
      found.add(gate);
      for (const earlier of gate.after) guests.add(earlier);
    }
  }
  return found;
}

/** Without those that another one waits for. */
function lastOf(some: readonly Gate[], all: readonly Gate[]): readonly Gate[] {
  const earlier = new Set(
    some.flatMap((gate) => gate.after.flatMap((guest) => [...gatesBefore(guest, all)])),
  );
  return some.filter((gate) => !earlier.has(gate));
}

function waitFor(resource: TerraformResource, gate: Gate): void {
  const reference = references.get(gate) ?? dependable(gate.resource);
  references.set(gate, reference);
  resource.dependsOn = [...new Set([...(resource.dependsOn ?? []), reference])];
}
