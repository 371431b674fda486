/** What Terraform and a plugin agree on before the first call: environment in, one line on stdout out. */

const COOKIE_NAME = 'TF_PLUGIN_MAGIC_COOKIE';
const COOKIE = 'd602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2';
const CORE_PROTOCOL = 1;
const PLUGIN_PROTOCOL = 6;

export type Greeting =
  | { readonly ok: true; readonly clientCertificate: string | undefined }
  /** `message` is for a person at a terminal. */
  | { readonly ok: false; readonly message: string };

export function readGreeting(environment: NodeJS.ProcessEnv, name: string): Greeting {
  if (environment[COOKIE_NAME] !== COOKIE) {
    return {
      ok: false,
      message:
        `This is the Terraform provider "${name}". Terraform starts it; it does nothing by itself.\n` +
        `Put it into a plugin folder or a filesystem mirror, name it in required_providers, and run terraform init.`,
    };
  }
  const versions = environment['PLUGIN_PROTOCOL_VERSIONS'];
  if (versions !== undefined && !versions.split(',').includes(String(PLUGIN_PROTOCOL))) {
    return {
      ok: false,
      message: `The provider "${name}" speaks plugin protocol ${PLUGIN_PROTOCOL}; this Terraform speaks ${versions}. Terraform 1.0 or later is needed.`,
    };
  }
  const clientCertificate = environment['PLUGIN_CLIENT_CERT'] || undefined;
  if (clientCertificate === undefined && !environment['TF_DISABLE_PLUGIN_TLS']) {
    return {
      ok: false,
      message:
        `The provider "${name}" was given no client certificate (PLUGIN_CLIENT_CERT), so anyone could connect to it.\n` +
        `Set TF_DISABLE_PLUGIN_TLS=1 for both sides if that is meant.`,
    };
  }
  return { ok: true, clientCertificate };
}

/** @param certificate the server certificate's DER; absent without TLS */
export function handshakeLine(socketPath: string, certificate: Buffer | undefined): string {
  const encoded = certificate?.toString('base64').replace(/=+$/, '') ?? '';
  return `${CORE_PROTOCOL}|${PLUGIN_PROTOCOL}|unix|${socketPath}|grpc|${encoded}\n`;
}
