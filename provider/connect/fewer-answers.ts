import type { Client } from 'ssh2';

/** What ssh2 1.17 keeps to itself and this file needs. */
interface Protocol {
  authPK(user: string, key: unknown, algorithm?: string, sign?: unknown): void;
  service(name: string): void;
  readonly _handlers: Record<string, Handler | undefined>;
}

function isProtocol(value: Partial<Protocol> | undefined): value is Protocol {
  return (
    typeof value?.authPK === 'function' &&
    typeof value.service === 'function' &&
    typeof value._handlers === 'object'
  );
}

type Handler = (protocol: Protocol, ...rest: readonly unknown[]) => void;

/**
 * Keeps ssh2 from three answers that nothing comes of; the first two are a round trip each:
 *
 * - that the service `ssh-userauth` is accepted, awaited before the first request to it. A server works requests off in their
 *   order (RFC 4252, 5). Its EXT_INFO is awaited, for it says how an RSA key is to sign; where there is none, nothing changes.
 * - that a key would be accepted, awaited before it signs. The question spares people who are asked for each signature
 *   (RFC 4252, 7), so that keys of an agent are still asked for.
 * - that the server holds all the host keys it tells of after the login, which is for clients that write down new ones. It signs once
 *   for each key, and we would verify each.
 *
 * To be called right after `connect`. Where ssh2 is not as expected inside, it does as it always did.
 */
export function askForFewerAnswers(client: Client): void {
  const { _protocol: protocol } = client as unknown as { readonly _protocol?: Partial<Protocol> };
  if (!isProtocol(protocol)) return;
  askBeforeAccepted(protocol);
  signUnasked(protocol);
  passOverHostKeys(protocol);
}

function askBeforeAccepted(protocol: Protocol): void {
  const { _handlers: handlers } = protocol;
  const service = protocol.service.bind(protocol);
  const { EXT_INFO: onExtensions, SERVICE_ACCEPT: onAccepted } = handlers;
  if (onExtensions === undefined || onAccepted === undefined) return;
  let asked: string | undefined;
  let begun = false;
  const begin = (name: unknown) => {
    if (begun) return;
    begun = true;
    onAccepted(protocol, name);
  };
  protocol.service = (name) => {
    asked = name;
    service(name);
  };
  handlers['EXT_INFO'] = (_, extensions) => {
    onExtensions(protocol, extensions);
    if (asked !== undefined) begin(asked);
  };
  handlers['SERVICE_ACCEPT'] = (_, name) => begin(name);
}

function signUnasked(protocol: Protocol): void {
  const { USERAUTH_PK_OK: onWouldDo } = protocol._handlers;
  const authPK = protocol.authPK.bind(protocol);
  if (onWouldDo === undefined) return;
  protocol.authPK = (user, key, algorithm, sign) => {
    if (sign === undefined && holdsPrivateKey(key)) onWouldDo(protocol);
    else authPK(user, key, algorithm, sign);
  };
}

function holdsPrivateKey(key: unknown): boolean {
  return (key as { isPrivateKey?: () => boolean } | null)?.isPrivateKey?.() === true;
}

function passOverHostKeys({ _handlers: handlers }: Protocol): void {
  const { GLOBAL_REQUEST: onRequest } = handlers;
  if (onRequest === undefined) return;
  handlers['GLOBAL_REQUEST'] = (protocol, name, wantsReply, ...rest) => {
    if (name !== 'hostkeys-00@openssh.com' || wantsReply !== false)
      onRequest(protocol, name, wantsReply, ...rest);
  };
}
