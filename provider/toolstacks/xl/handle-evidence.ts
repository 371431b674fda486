import { deviceModel, judge } from '../../jail/judge.ts';
import type { GuestObservation } from '../../jail/observation.ts';
import type { IsolationExpectation } from '../../jail/launch-plan.ts';
import { type LayerEvidence, xenLayer } from '../../model/evidence.ts';
import type { HostCapabilities } from '../qemu/capabilities.types.ts';
import type { DomainHandles } from './fd-check-parse.ts';

/** What a device model cannot do without, so that one of which none was seen has shown nothing. */
const needed = ['privcmd', 'evtchn'] as const;

/** Why nothing on this host can try what the handles of its device models may still do; `undefined`: something can. */
export function uncheckedHandles({ xen, kernel }: HostCapabilities): string | undefined {
  const [, major, minor] = /^(\d{1,4})\.(\d{1,4})/.exec(kernel) ?? [];
  const isOld = major !== undefined && (Number(major) < 5 || (Number(major) === 5 && Number(minor) < 6));
  if (xen?.handleChecker === undefined) return 'the host has no depriv-fd-checker of its Xen';
  if (xen.python === undefined) return 'the host has no python3';
  return isOld ? `Linux ${major}.${minor} hands no descriptors over (pidfd_getfd came with 5.6)` : undefined;
}

/**
 * Every handle on Xen that the device model holds refuses what is not its domain's: by Xen's own checker, never by the command line,
 * which a process can rewrite.
 * @param checked what the host said of the guest's handles; `undefined`: nothing
 */
export function proveHandles(
  observation: GuestObservation,
  { unprovable: { [xenLayer]: unprovable } }: Pick<IsolationExpectation, 'unprovable'>,
  checked: DomainHandles | undefined,
): LayerEvidence {
  const model = deviceModel(observation);
  const wrong: string[] = [];
  const unknown: string[] = [];
  const passing: string[] = [];
  if (checked === undefined)
    unknown.push(unprovable ?? "Xen's checker of handles (depriv-fd-checker, python3) gave no answer");
  else {
    const sameProcess = model?.pid === checked.pid && model.startTimeTicks === checked.startTimeTicks;
    const sameProgram =
      model?.executableDevice === checked.executableDevice &&
      model.executableInode === checked.executableInode;
    // it was started anew between the two looks
    if (!sameProcess) passing.push('the handles of another process were checked');
    else if (!sameProgram) unknown.push('another program ran when its handles were checked');
    if (!checked.complete) unknown.push('not every descriptor could be looked at');
    const kinds = new Set(checked.handles.map(({ kind }) => kind));
    for (const kind of needed) if (!kinds.has(kind)) unknown.push(`no handle of the kind ${kind} was found`);
    for (const { kind, descriptor, verdict } of checked.handles) {
      const which = `the ${kind} handle at descriptor ${descriptor}`;
      if (verdict === 'unrestricted') wrong.push(`${which} is not restricted`);
      else if (verdict === 'unchecked') unknown.push(`${which} could not be checked`);
    }
  }
  const raw = (checked?.handles ?? []).map(
    ({ descriptor, kind, verdict, said }) => `${checked?.pid ?? 0} ${descriptor} ${kind} ${verdict} ${said}`,
  );
  const requested = "each handle refuses what is not its domain's, by Xen's depriv-fd-checker";
  const shown = judge(xenLayer, requested, observation, { wrong, unknown, passing }, raw);
  return shown.state === 'unproven' && unprovable !== undefined ? { ...shown, unprovable } : shown;
}
