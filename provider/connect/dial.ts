import { connect, isIP } from 'node:net';
import type { Socket } from 'node:net';
import type { Client, ClientErrorExtensions } from 'ssh2';
import { failure, problem, success, type Diagnostic, type Result } from '../model/diagnostic.ts';
import { offeredAlgorithms } from './algorithms.ts';
import { openChannel, type Session } from './channel.ts';
import { describeTarget, loginRefused, networkProblem, unreachable } from './diagnostics.ts';
import { askForFewerAnswers } from './fewer-answers.ts';
import {
  isOffer,
  type KeyParser,
  prepareIdentities,
  type Offer,
  type PreparedIdentity,
} from './identities.ts';
import { parseBlob } from './keys.ts';
import type { Link } from './link.ts';
import { systemCode } from './paths.ts';
import type { SshTarget } from './target.ts';
import { loadTrust, type HostKeyJudge } from './trust.ts';

type Phase = 'resolving' | 'connecting' | 'handshake' | 'login' | 'ready';

const keepAliveMilliseconds = 10_000;
const keepAlivesMissed = 3;

/**
 * Connects, verifies the host's key, logs in. The only place where an ssh2 client is made: ssh2 takes any host for the right
 * one when it is given no verifier, so there is no other way to a client than through one, and a link that became ready
 * without its verdict is dropped.
 */
export async function dial(target: SshTarget): Promise<Result<Link>> {
  const trust = await loadTrust(target, target.trust);
  if (!trust.ok) return trust;
  const { default: ssh2 } = await import('ssh2');
  const identities = await prepareIdentities(target, ssh2.utils.parseKey);
  if (!identities.some(isOffer)) {
    return failure(...unusable(identities), loginRefused(target, [], ['The host was not asked.']));
  }
  return await new Attempt(target, trust.value, identities, new ssh2.Client()).run();
}

/** Opens private keys, for whoever has no need of a client. */
export async function keyParser(): Promise<KeyParser> {
  const { default: ssh2 } = await import('ssh2');
  return ssh2.utils.parseKey;
}

function linkOver(session: Session, warnings: readonly Diagnostic[]): Link {
  return {
    get lost() {
      return session.lost;
    },
    warnings,
    open: (commandText, timeoutSeconds) => openChannel(session, commandText, timeoutSeconds),
    destroy: () => session.destroy(),
    end: () =>
      new Promise<void>((resolve) => {
        const force = setTimeout(() => session.destroy(), 1000);
        session.client.once('close', () => {
          clearTimeout(force);
          resolve();
        });
        session.client.end();
      }),
  };
}

function unusable(identities: readonly PreparedIdentity[]): Diagnostic[] {
  return identities.flatMap((one) => (isOffer(one) ? [] : [one]));
}

class Attempt {
  readonly #target: SshTarget;
  readonly #judge: HostKeyJudge;
  readonly #identities: readonly PreparedIdentity[];
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;
  readonly #result: Promise<Result<Link>>;
  #settle: (result: Result<Link>) => void = () => undefined;
  #phase: Phase;
  #verified = false;
  #hostKeyProblem: Diagnostic | undefined;
  readonly #tried: Offer[] = [];
  readonly #notes: string[] = [];
  #lost: string | undefined;

  constructor(
    target: SshTarget,
    judge: HostKeyJudge,
    identities: readonly PreparedIdentity[],
    client: Client,
  ) {
    this.#target = target;
    this.#judge = judge;
    this.#identities = identities;
    this.#client = client;
    this.#phase = isIP(target.address) === 0 ? 'resolving' : 'connecting';
    const milliseconds = target.connectTimeoutSeconds * 1000;
    this.#socket = connect({
      host: target.address,
      port: target.port,
      noDelay: true,
      // Node's 250 ms per address would give up on a far host's first address.
      autoSelectFamilyAttemptTimeout: Math.max(250, Math.ceil(milliseconds / 4)),
    });
    this.#timer = setTimeout(() => this.#fail(this.#timedOut()), milliseconds);
    this.#result = new Promise((resolve) => (this.#settle = resolve));
  }

  async run(): Promise<Result<Link>> {
    this.#socket.on('lookup', (error: Error | null) => {
      if (!error) this.#phase = 'connecting';
    });
    this.#socket.on('connect', () => (this.#phase = 'handshake'));
    this.#client.on('handshake', () => {
      if (this.#phase === 'handshake') this.#phase = 'login';
    });
    this.#client.on('ready', () => this.#ready());
    this.#client.on('error', (error) => this.#onError(error));
    this.#client.on('end', () => this.#gone('the host closed it'));
    this.#client.on('close', () => this.#gone('the host closed it'));
    const offers = this.#identities.filter(isOffer).values();
    this.#client.connect({
      sock: this.#socket,
      username: this.#target.user,
      hostVerifier: (blob: Buffer): boolean => this.#verify(blob),
      algorithms: offeredAlgorithms(this.#judge.knownTypes),
      authHandler: (_left, _partial, next) => {
        const offer = offers.next();
        if (offer.done) return false;
        this.#tried.push(offer.value);
        next(offer.value.method);
        return undefined;
      },
      keepaliveInterval: keepAliveMilliseconds,
      keepaliveCountMax: keepAlivesMissed,
      // One deadline for everything up to the login, ours, which knows what it was waiting for.
      readyTimeout: 0,
    });
    askForFewerAnswers(this.#client);
    return await this.#result;
  }

  /** Also asked when keys are renewed on a standing connection. */
  #verify(blob: Buffer): boolean {
    const parsed = parseBlob(blob);
    this.#hostKeyProblem = parsed.ok
      ? this.#judge.judge(parsed.key)
      : problem('host-key-malformed', `host ${describeTarget(this.#target)} presents a key that is none`, {
          detail: parsed.reason,
          hint: 'Something else than an SSH server may answer there: check the address and port.',
          host: this.#target.host,
        });
    this.#verified = this.#hostKeyProblem === undefined;
    return this.#verified;
  }

  #ready(): void {
    if (!this.#verified) {
      this.#fail(unreachable(this.#target, 'was not verified', 'This is a defect: please report it.'));
      return;
    }
    this.#phase = 'ready';
    clearTimeout(this.#timer);
    const lost = () => this.#lost;
    const session: Session = {
      client: this.#client,
      get lost() {
        return lost();
      },
      destroy: () => {
        this.#lost ??= 'it was given up';
        this.#socket.destroy();
      },
    };
    this.#settle(success(linkOver(session, [...this.#judge.warnings, ...this.#passedOver()])));
  }

  /** Identities that should have come before the one that did it. */
  #passedOver(): Diagnostic[] {
    const used = this.#tried.at(-1);
    const before = used === undefined ? [] : this.#identities.slice(0, this.#identities.indexOf(used));
    return unusable(before).map((one) => ({ ...one, severity: 'warning' }));
  }

  #onError(error: Error & ClientErrorExtensions): void {
    // An agent that fails, or a key that cannot sign: ssh2 tells and goes on with the next identity.
    if (
      this.#phase === 'login' &&
      (error.level === 'agent' || /^Error (while )?signing/.test(error.message))
    ) {
      this.#notes.push(error.message);
      return;
    }
    this.#gone(error.message, error);
  }

  #gone(reason: string, error?: Error & ClientErrorExtensions): void {
    this.#lost ??= reason;
    if (this.#phase === 'ready') this.#socket.destroy();
    else this.#fail(this.#hostKeyProblem ?? this.#describe(reason, error));
  }

  #fail(diagnostic: Diagnostic): void {
    clearTimeout(this.#timer);
    this.#socket.destroy();
    const others = diagnostic.code === 'login-refused' ? unusable(this.#identities) : [];
    this.#settle(failure(diagnostic, ...others));
  }

  #describe(reason: string, error: (Error & ClientErrorExtensions) | undefined): Diagnostic {
    switch (this.#phase) {
      case 'resolving':
      case 'connecting':
        return networkProblem(this.#target, systemCode(error), reason);
      case 'login':
      case 'ready':
        return loginRefused(
          this.#target,
          this.#tried.map(({ label }) => label),
          [...this.#notes, `The host says: ${reason}.`],
        );
      case 'handshake':
        return unreachable(
          this.#target,
          'does not complete the SSH handshake',
          'See that an SSH server with current algorithms listens there, and what its log says.',
          reason,
        );
    }
  }

  #timedOut(): Diagnostic {
    const waited = `within ${this.#target.connectTimeoutSeconds} s`;
    const doing: Readonly<Record<Phase, string>> = {
      resolving: `has a name that was not resolved ${waited} (time-out)`,
      connecting: `does not answer ${waited} (time-out)`,
      handshake: `accepts connections but does not complete the SSH handshake ${waited} (time-out)`,
      login: `does not complete the login ${waited} (time-out)`,
      ready: `does not answer ${waited} (time-out)`,
    };
    return unreachable(
      this.#target,
      doing[this.#phase],
      'See that the host is up, and that no firewall or overload stands in the way.',
    );
  }
}
