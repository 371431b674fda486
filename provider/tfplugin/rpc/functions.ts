import type { CallFunction_Request as CallRequest } from '../generated/tfplugin6.ts';
import { FunctionFailure, type ProviderFunction } from '../types.ts';
import type { TerraformValue } from '../values.ts';
import { decodeValue } from '../wire/decode.ts';
import { encodeValue } from '../wire/encode.ts';
import { toWireFunction } from '../wire/schema.ts';
import { definitionOf, guarded, type ProviderHandlers, type Runtime } from './runtime.ts';

export function getFunctions(runtime: Runtime): ProviderHandlers['getFunctions'] {
  return (_request, call) =>
    guarded(runtime, {
      rpc: 'GetFunctions',
      call,
      work: async (provider) => {
        const entries = Object.entries(provider.functions ?? {});
        const functions = Object.fromEntries(entries.map(([name, one]) => [name, toWireFunction(one)]));
        return { functions, diagnostics: [] };
      },
      failed: (diagnostics) => ({ functions: {}, diagnostics }),
    });
}

/** Failures of a function are texts, not diagnostics; Terraform says where the call stands. */
export function callFunction(runtime: Runtime): ProviderHandlers['callFunction'] {
  return (request, call) =>
    guarded(runtime, {
      rpc: 'CallFunction',
      subject: request.name,
      call,
      work: async (provider, context) => {
        const definition = definitionOf(provider.functions, 'function', request.name);
        try {
          const result = await definition.call(decodeArguments(definition, request), context);
          return { result: encodeValue(result, definition.returns), error: undefined };
        } catch (error) {
          if (!(error instanceof FunctionFailure)) throw error;
          const failure = { text: error.message, functionArgument: error.argument };
          return { result: undefined, error: failure };
        }
      },
      failed: ([diagnostic]) => ({
        result: undefined,
        error: {
          text: [diagnostic?.summary, diagnostic?.detail].join(': '),
          functionArgument: undefined,
        },
      }),
    });
}

function decodeArguments(definition: ProviderFunction, request: CallRequest): TerraformValue[] {
  return request.arguments.map((argument, index) => {
    const parameter = definition.parameters[index] ?? definition.variadicParameter;
    if (parameter === undefined) throw new Error(`${request.name} takes fewer arguments`);
    return decodeValue(argument, parameter.type);
  });
}
