import { serve } from '../../../provider/tfplugin/index.ts';

/** A stand-in for the plugin of `hashicorp/null`, which comes from a registry that tests do not ask. */
void serve({ name: 'null-stand-in', load: async () => (await import('./provider.ts')).nullStandIn() });
