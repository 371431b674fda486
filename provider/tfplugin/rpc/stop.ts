import type { ProviderHandlers, Runtime } from './runtime.ts';

/** The user interrupted Terraform: all calls are told through their signal, and their answers are still waited for. */
export function stopProvider(runtime: Runtime): ProviderHandlers['stopProvider'] {
  return async () => {
    runtime.stop();
    try {
      const provider = await runtime.provider();
      await provider.stop?.();
      return { Error: '' };
    } catch (error) {
      return { Error: error instanceof Error ? error.message : String(error) };
    }
  };
}
