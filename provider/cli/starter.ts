/** What a starter definition is made of; all but the fleet's name may be changed in the file later. */
export interface StarterAnswers {
  readonly fleet: string;
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly sudo: boolean;
  /** The host's public key, or else where known hosts are. */
  readonly hostKey: string | undefined;
  readonly knownHosts: string;
  readonly key: string;
  readonly guest: string;
  readonly memoryMib: number;
  readonly kernel: string;
  readonly initrd: string | undefined;
  readonly accelerator: 'kvm' | 'tcg';
}

/** A first definition: one host, its users, one guest, and what each line is for. Values are written as JSON, which YAML reads as they are. */
export function starterDefinition(answers: StarterAnswers): string {
  const value = (text: string | number) => JSON.stringify(text);
  const { fleet, host, address, port, user, sudo, hostKey, knownHosts, key } = answers;
  const { guest, memoryMib, kernel, initrd, accelerator } = answers;
  return `# yaml-language-server: $schema=./stockade.schema.json
#
# What a fleet is to be. "stockade plan" shows what "stockade apply" would change; all fields are in "stockade schema",
# and editors that know the line above complete them.

# The owner, written on everything that is made on hosts. What belongs to others is never touched. Keep it.
fleet: ${value(fleet)}

# How hosts are reached, and what they are prepared with.
hosts:
  ${value(host)}:
    address: ${value(address)}
    port: ${port}
    user: ${value(user)}${sudo ? '\n    sudo: true # the user is not root and may run "sudo -n"' : ''}
    # The host's key is always verified: give it here (hostKey: "ssh-ed25519 AAAA…"), or a file that has it.
    ${hostKey === undefined ? `knownHostsFile: ${value(knownHosts)}` : `hostKey: ${value(hostKey)}`}
    # Or: agent: true. Or: connection: openssh, and the configuration of ssh says the rest (certificates, jump hosts).
    privateKeyFile: ${value(key)}

# The users that guests run as, one for each: no two guests share one, and none has a shell, a home or a password.
users:
  - host: ${value(host)}
    lastDomid: 64 # as many guests, at most

guests:
  ${value(guest)}:
    host: ${value(host)}
    memoryMib: ${memoryMib}
    vcpus: 1
    # "kvm", or "tcg", which emulates the processor: slow, and without any security guarantee by QEMU.
    accelerator: ${accelerator}
    # Files of this machine, from where this file is. They are uploaded once; "hostFile" names one that is on the host.
    kernel: { file: ${value(kernel)} }
${initrd === undefined ? '    # initrd: { file: initrd.img }' : `    initrd: { file: ${value(initrd)} }`}
    commandLine: "console=ttyS0"
    # Every layer of isolation is on. What is switched off shows as a loss in the plan: isolation: { off: [seccomp] }
`;
}

export const starterIgnores = `# What stockade writes beside definitions: events of every apply, saved plans.
stockade-events.jsonl
*.plan
# Keys do not belong into a repository.
id_*
*.pem
*.key
`;
