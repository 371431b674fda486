import { applyResourceChange } from './apply.ts';
import { configureProvider } from './configure.ts';
import { readDataSource } from './data-source.ts';
import { ephemeralHandlers } from './ephemeral.ts';
import { callFunction, getFunctions } from './functions.ts';
import { importResourceState } from './import.ts';
import { moveResourceState } from './move.ts';
import { planResourceChange } from './plan.ts';
import { readResource } from './read.ts';
import type { ProviderHandlers, Runtime } from './runtime.ts';
import { getMetadata, getProviderSchema } from './schemas.ts';
import { stopProvider } from './stop.ts';
import { upgradeResourceState } from './upgrade.ts';
import { validateHandlers } from './validate.ts';

/** Every RPC of protocol 6.8. */
export function providerHandlers(runtime: Runtime): ProviderHandlers {
  return {
    getMetadata: getMetadata(runtime),
    getProviderSchema: getProviderSchema(runtime),
    ...validateHandlers(runtime),
    configureProvider: configureProvider(runtime),
    upgradeResourceState: upgradeResourceState(runtime),
    readResource: readResource(runtime),
    planResourceChange: planResourceChange(runtime),
    applyResourceChange: applyResourceChange(runtime),
    importResourceState: importResourceState(runtime),
    moveResourceState: moveResourceState(runtime),
    readDataSource: readDataSource(runtime),
    ...ephemeralHandlers(runtime),
    getFunctions: getFunctions(runtime),
    callFunction: callFunction(runtime),
    stopProvider: stopProvider(runtime),
  };
}
