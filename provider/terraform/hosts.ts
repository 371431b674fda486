import type { Target } from '../connect/target.ts';
import { Fleet, type Written } from '../executor/fleet.ts';
import { holderOf } from '../executor/holder.ts';
import type { WriteOptions } from '../executor/session.types.ts';
import { targetOf } from '../executor/targets.ts';
import { caution, failure, problem, type Result, success } from '../model/diagnostic.ts';
import type { Operation } from '../model/operation.ts';
import type { Logger, PrivateState, TerraformValue } from '../tfplugin/types.ts';
import { EventRecorder } from './events.ts';
import type { HostAccess, Hosts, Reach } from './reach.ts';
import type { Settings } from './settings.ts';
import { remember, remembered, rememberedTarget } from './targets.ts';

/** The hosts of one provider process: how each is reached, and one session with each. */
export class FleetHosts implements Hosts {
  #settings: Settings | undefined;
  #sessions: Fleet | undefined;
  #recorder: EventRecorder | undefined;
  #stopping = false;

  /** Takes the provider's configuration; nothing is connected yet. */
  configure(settings: Settings, log: Logger): void {
    this.#settings = settings;
    const recorder = new EventRecorder(settings.eventsFile ?? 'stockade-events.jsonl', log);
    this.#recorder = recorder;
    this.#sessions = new Fleet({ holder: holderOf(settings.fleet), sink: recorder.sink });
  }

  get fleet(): string | undefined {
    return this.#settings?.fleet;
  }

  get unreachable(): 'error' | 'keep' {
    return this.#settings?.unreachable ?? 'error';
  }

  reach(host: TerraformValue, memory: PrivateState = {}): Reach {
    const settings = this.#settings;
    if (typeof host !== 'string' || settings === undefined) return { kind: 'not-known-yet' };
    const setting = settings.host(host);
    if (setting.kind === 'not-known-yet') return setting;
    const known = remembered(memory);
    if (setting.kind === 'known') {
      return this.#ready(known?.fleet ?? settings.fleet ?? '', targetOf(host, setting.entry));
    }
    if (known !== undefined) {
      return this.#ready(known.fleet, rememberedTarget(host, known, settings.knownEntries));
    }
    const names = settings.hostNames.slice(0, 20).join(', ');
    return {
      kind: 'absent',
      diagnostic: problem('host-not-in-inventory', `host ${JSON.stringify(host)} is not in the inventory`, {
        detail: names === '' ? 'The inventory is empty.' : `The inventory has: ${names}.`,
        hint: "Add it to `hosts` in the provider's configuration, or name one that is there.",
      }),
    };
  }

  /** Lets what runs on hosts come to its end, and begins nothing more but what is urgent. */
  stop(): void {
    this.#stopping = true;
  }

  #ready(fleet: string, target: Target): Reach {
    const { host } = target;
    const access: HostAccess = {
      host,
      fleet,
      memory: remember(fleet, target),
      observe: (binaries, sources) =>
        this.#unlessStopping(host, (sessions) => sessions.observe(target, binaries, sources)),
      write: (operations, options) => this.#write(target, operations, options),
      forget: () => this.#sessions?.forget(host),
    };
    return { kind: 'ready', access };
  }

  async #write(
    target: Target,
    operations: readonly Operation[],
    options: WriteOptions = {},
  ): Promise<Result<Written>> {
    this.#recorder?.begin();
    const ask = (sessions: Fleet) => sessions.write(target, operations, options);
    const written = await (options.urgent === true && this.#sessions !== undefined
      ? ask(this.#sessions)
      : this.#unlessStopping(target.host, ask));
    const trouble = this.#recorder?.trouble();
    if (!written.ok || trouble === undefined) return written;
    return success(written.value, [...written.warnings, caution('no-events-file', trouble)]);
  }

  async #unlessStopping<T>(host: string, ask: (sessions: Fleet) => Promise<Result<T>>): Promise<Result<T>> {
    if (this.#sessions !== undefined && !this.#stopping) return ask(this.#sessions);
    return failure(
      problem('aborted', `work on host ${host} was not begun: Terraform was interrupted`, {
        hint: 'Run it again to carry on from where it stopped.',
        host,
      }),
    );
  }
}
