import { failure, problem, type Result, success } from '../../model/diagnostic.ts';

/** `restricted`: what Xen's checker tried was refused. `unrestricted`: it went through. `unchecked`: it could not tell. */
export type HandleVerdict = 'restricted' | 'unrestricted' | 'unchecked';

/** One descriptor of a device model that leads to Xen. */
export interface XenHandle {
  readonly descriptor: number;
  /** Of the device: `privcmd`, `evtchn`, `gntdev`, or one that the checker does not know. */
  readonly kind: string;
  readonly verdict: HandleVerdict;
  /** The checker's words; hostile until escaped by a view. */
  readonly said: string;
}

/** The handles of one guest's device model, and which process was looked at. */
export interface DomainHandles {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, in clock ticks after boot. */
  readonly startTimeTicks: number;
  readonly executableDevice: number;
  readonly executableInode: number;
  /** Every descriptor was looked at, and the process still lived afterwards. */
  readonly complete: boolean;
  readonly handles: readonly XenHandle[];
}

/** By the domain's UUID; one without a device model has none, nor has one that is there twice. */
export type FdCheck = ReadonlyMap<string, DomainHandles>;

const verdicts: Readonly<Record<string, HandleVerdict>> = {
  pass: 'restricted',
  fail: 'unrestricted',
  none: 'unchecked',
};
const number = /^\d{1,15}$/;

/** Reads what `fdCheckSection` prints; anything that does not follow its grammar, to the end mark, shows nothing. */
export function parseFdCheck(bytes: Uint8Array): Result<FdCheck> {
  const fields = new TextDecoder('utf-8').decode(bytes).split('\0');
  const domains = new Map<string, DomainHandles>();
  const twice = new Set<string>();
  let at = 0;
  for (;;) {
    const process = take(fields, at, 'process', 6);
    if (process === undefined) break;
    at += 7;
    const handles: XenHandle[] = [];
    for (let one = take(fields, at, 'handle', 4); one !== undefined; one = take(fields, at, 'handle', 4)) {
      const handle = handleOf(one);
      if (handle === undefined) return unreadable();
      handles.push(handle);
      at += 5;
    }
    const [uuid = ''] = process;
    const domain = domainOf(process, handles);
    if (domain === undefined) return unreadable();
    if (domains.has(uuid)) twice.add(uuid);
    domains.set(uuid, domain);
  }
  for (const uuid of twice) domains.delete(uuid);
  if (fields[at] !== 'end' || fields.length !== at + 2) return unreadable();
  return success(domains);
}

function take(
  fields: readonly string[],
  at: number,
  mark: string,
  width: number,
): readonly string[] | undefined {
  const found = fields.slice(at + 1, at + 1 + width);
  return fields[at] === mark && found.length === width ? found : undefined;
}

function handleOf(fields: readonly string[]): XenHandle | undefined {
  const [descriptor = '', kind = '', word = '', said = ''] = fields;
  const verdict = Object.hasOwn(verdicts, word) ? verdicts[word] : undefined;
  if (!number.test(descriptor) || verdict === undefined) return undefined;
  return { descriptor: Number(descriptor), kind, verdict, said };
}

function domainOf(fields: readonly string[], handles: readonly XenHandle[]): DomainHandles | undefined {
  const numbers = fields.slice(1);
  if (!numbers.every((text) => number.test(text))) return undefined;
  const [pid = 0, startTimeTicks = 0, executableDevice = 0, executableInode = 0, complete = 0] =
    numbers.map(Number);
  return {
    pid,
    startTimeTicks,
    executableDevice,
    executableInode,
    complete: complete === 1,
    handles,
  };
}

function unreadable(): Result<never> {
  return failure(
    problem('evidence-unreadable', "What the host says of its guests' Xen handles is not as it should be."),
  );
}
