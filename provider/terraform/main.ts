import { serve } from '../tfplugin/server/serve.ts';

/** The plugin's entry: everything but the protocol server is loaded after the handshake. */
void serve({
  name: 'stockade',
  load: async () => (await import('./provider.ts')).createProvider(),
});
