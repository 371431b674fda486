import { fleetSchema } from '../spec/fleet.ts';
import type { Provider } from '../tfplugin/types.ts';
import { configurationSchema } from './configuration.ts';
import { LocalFiles } from '../executor/local-files.ts';
import { gateResource } from './gate.ts';
import { FleetHosts } from './hosts.ts';
import { guestKind } from './kinds/guest.ts';
import { hostKind } from './kinds/host.ts';
import { usersKind } from './kinds/users.ts';
import { managed } from './managed.ts';
import { guestEvidenceSource } from './sources/guest-evidence.ts';
import { hostFactsSource } from './sources/host-facts.ts';
import { Settings } from './settings.ts';
import { checkSpec } from './values.ts';

/** Stockade as a Terraform provider. Nothing is connected before the first read or write. */
export function createProvider(): Provider {
  const hosts = new FleetHosts();
  return {
    schema: configurationSchema,
    validateConfig: async ({ config }) => checkSpec(fleetSchema, config),
    configure: async ({ config }, context) => {
      const read = Settings.read(config);
      if ('diagnostics' in read) return read.diagnostics;
      hosts.configure(read.settings, context.log);
      return [];
    },
    resources: {
      stockade_host: managed(hostKind, hosts),
      stockade_qemu_users: managed(usersKind, hosts),
      stockade_guest: managed(guestKind(new LocalFiles()), hosts),
      stockade_gate: gateResource(hosts),
    },
    dataSources: {
      stockade_guest_evidence: guestEvidenceSource(hosts),
      stockade_host_facts: hostFactsSource(hosts),
    },
    stop: async () => hosts.stop(),
  };
}
