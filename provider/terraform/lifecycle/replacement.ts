import type { Address } from '../../model/address.ts';
import { describeAddress } from '../../model/address.ts';
import type { PlanDeleteRequest, PlanDeleteResponse, PrivateState } from '../../tfplugin/types.ts';

/**
 * A replacement reaches a provider as a delete and a create, which say nothing of each other. But only what is destroyed for good
 * was planned to be: that plan leaves a mark, so a delete without it is the first half of a replacement.
 *
 * What others depend on (a host with guests, users with guests) stays in place during its replacement, and the create that
 * follows in the same process takes it over.
 */
export class Replacements {
  readonly #kept = new Set<string>();

  keep(address: Address): void {
    this.#kept.add(describeAddress(address));
  }

  /** Whether its delete has just left it in place. Answers once. */
  takeOver(address: Address): boolean {
    return this.#kept.delete(describeAddress(address));
  }
}

const mark = 'destroyed';

export function planDelete(request: PlanDeleteRequest): PlanDeleteResponse {
  return { privateState: { ...request.privateState, [mark]: true } };
}

export function isReplacement(plannedPrivate: PrivateState): boolean {
  return plannedPrivate[mark] !== true;
}
