import type { IResolvable } from 'cdktf';
import { Construct } from 'constructs';
import { type LayerEvidence, type LayerName, layerNames } from '../provider/model/evidence.ts';
import { DataStockadeGuestEvidence } from './generated/data-stockade-guest-evidence/index.ts';
import type { RestrictedGuest } from './guest.ts';

export interface GuestEvidenceProps {
  /** Whose evidence. */
  readonly guest: RestrictedGuest;
}

/**
 * What a guest's live processes show, layer by layer. It is read anew in every plan, and after the guest where the guest changes. Its
 * time and process ids change by themselves: keep them out of outputs.
 */
export class GuestEvidence extends Construct {
  /** Terraform's data source, with everything it reads. */
  readonly data: DataStockadeGuestEvidence;

  constructor(scope: Construct, id: string, props: GuestEvidenceProps) {
    super(scope, id);
    const { resource, host } = props.guest;
    this.data = new DataStockadeGuestEvidence(this, 'Default', {
      provider: host.fleet.provider,
      host: resource.host,
      guest: resource.name,
      // Host and name are known before the guest is there: the generation is not, so the evidence is read after the guest.
      generation: resource.generation,
    });
  }

  /** Whether it runs and every layer stands as asked for; steady while that is so. */
  get isolated(): IResolvable {
    return this.data.isolated;
  }

  /** Whether it runs and every layer is `effective`, none off, missing or unproven. */
  get proven(): IResolvable {
    return this.data.proven;
  }

  /** `effective`, `ineffective`, `unproven`, `missing` or `off`; only `effective` is good. `xen-handles`: of a guest of xl's. */
  stateOf(layer: LayerEvidence['layer']): string {
    // The generated code puts the key into the expression as it is: it needs its quotes.
    return this.data.layers.get(JSON.stringify(layer)).state;
  }

  /** The state of every layer by its name; steady, so it may be an output. */
  get states(): Readonly<Record<LayerName, string>> {
    return Object.fromEntries(layerNames.map((layer) => [layer, this.stateOf(layer)])) as Record<
      LayerName,
      string
    >;
  }
}
