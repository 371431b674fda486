import type { DynamicValue } from '../generated/tfplugin6.ts';
import type { Provider } from '../types.ts';
import type { ObjectValue } from '../values.ts';
import { decodeObject } from '../wire/decode.ts';

/** A module's `provider_meta` block, where the provider has a schema for it. */
export function decodeMeta(provider: Provider, value: DynamicValue | undefined): ObjectValue | null {
  return provider.metaSchema === undefined ? null : decodeObject(value, provider.metaSchema);
}
