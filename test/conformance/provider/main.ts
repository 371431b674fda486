import { serve } from '../../../provider/tfplugin/index.ts';

void serve({ name: 'shelf', load: async () => (await import('./provider.ts')).shelfProvider() });
