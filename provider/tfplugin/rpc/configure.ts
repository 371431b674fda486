import { decodeObject } from '../wire/decode.ts';
import { toWireDiagnostics } from '../wire/diagnostics.ts';
import { guarded, type ProviderHandlers, type Runtime } from './runtime.ts';

/** Once per process, before everything but validation and functions. The configuration may hold unknowns while planning. */
export function configureProvider(runtime: Runtime): ProviderHandlers['configureProvider'] {
  return (request, call) =>
    guarded(runtime, {
      rpc: 'ConfigureProvider',
      subject: "the provider's configuration",
      call,
      work: async (provider, context) => {
        runtime.configured(request.terraformVersion);
        const config = decodeObject(request.config, provider.schema) ?? {};
        const { terraformVersion } = request;
        const diagnostics = await provider.configure?.({ config, terraformVersion }, context);
        return { diagnostics: toWireDiagnostics(diagnostics) };
      },
      failed: (diagnostics) => ({ diagnostics }),
    });
}
