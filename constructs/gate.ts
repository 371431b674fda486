import { type TerraformResource, TerraformStack } from 'cdktf';
import { Construct } from 'constructs';
import type { z } from 'zod';
import { gateSchema } from '../provider/spec/gate.ts';
import { refuseUnlessValid } from './check.ts';
import { defined, type Described } from './described.ts';
import { holdBack } from './gate-order.ts';
import { Gate as GateResource, type GateConfig } from './generated/gate/index.ts';
import type { RestrictedGuest } from './guest.ts';

/** Two groups of guests of one stack. */
export interface GateProps {
  /** Guests that have to be there, and as they should be, first. At least one. */
  readonly after: readonly RestrictedGuest[];
  /**
   * Guests that are held back: nothing is done to them before. What only they need (their users, their hosts) is held back too, and so
   * is what comes after them by other gates.
   */
  readonly before: readonly RestrictedGuest[];
}

/** What is between two groups of guests. It is passed anew in each apply that changes a guest of the first one. */
export abstract class Gate extends Construct {
  /** Terraform's resource: what else is to be held back depends on it (`dependsOn: [gate.resource]`). */
  abstract readonly resource: TerraformResource;
  readonly after: readonly RestrictedGuest[];
  readonly before: readonly RestrictedGuest[];

  /** @throws where a guest of the first group waits for the gate itself, or is in another stack */
  constructor(scope: Construct, id: string, { after, before }: GateProps) {
    super(scope, id);
    this.after = [...new Set(after)];
    this.before = [...new Set(before)];
    if (after.length === 0) throw new Error(`${this.node.path}: there is no guest that it could come after`);
    const stack = TerraformStack.of(this);
    const stranger = [...after, ...before].find((guest) => TerraformStack.of(guest) !== stack);
    if (stranger !== undefined) {
      throw new Error(
        `${this.node.path}: ${stranger.node.path} is in another stack, and Terraform knows no order between stacks`,
      );
    }
    holdBack(this);
  }
}

export interface EvidenceGateProps
  extends GateProps,
    Described<GateConfig, z.input<typeof gateSchema>, 'guests'> {}

/** Waits until the live processes of the first group show every layer of their isolation as asked for. */
export class EvidenceGate extends Gate {
  override readonly resource: GateResource;

  /** @throws where the guests of the first group are of several fleets */
  constructor(scope: Construct, id: string, props: EvidenceGateProps) {
    super(scope, id, props);
    const { after, before: _, ...rest } = props;
    const guests = this.after.map(({ resource: { host, name, generation } }) => ({ host, name, generation }));
    refuseUnlessValid(this, gateSchema, { guests, ...rest });
    const [fleet, ...others] = new Set(after.map((guest) => guest.host.fleet));
    if (fleet === undefined || others.length > 0) {
      throw new Error(`${this.node.path}: the guests it comes after are of several fleets; give each a gate`);
    }
    this.resource = new GateResource(this, 'Default', {
      provider: fleet.provider,
      guests,
      ...defined(rest),
    });
  }
}
