import { deviceModel, judge } from '../../jail/judge.ts';
import type { GuestObservation } from '../../jail/observation.ts';
import { type LayerEvidence, xenLayer } from '../../model/evidence.ts';
import type { DomainHandles } from './fd-check-parse.ts';

/** What a device model cannot do without, so that one of which none was seen has shown nothing. */
const needed = ['privcmd', 'evtchn'] as const;

/**
 * Every handle on Xen that the device model holds refuses what is not its domain's: by Xen's own checker, never by the command line,
 * which a process can rewrite.
 * @param checked what the host said of the guest's handles; `undefined`: nothing
 */
export function proveHandles(
  observation: GuestObservation,
  checked: DomainHandles | undefined,
): LayerEvidence {
  const model = deviceModel(observation);
  const wrong: string[] = [];
  const unknown: string[] = [];
  if (checked === undefined)
    unknown.push("Xen's checker of handles (depriv-fd-checker, python3) gave no answer");
  else {
    const same =
      model?.pid === checked.pid &&
      model.startTimeTicks === checked.startTimeTicks &&
      model.executableDevice === checked.executableDevice &&
      model.executableInode === checked.executableInode;
    if (!same) unknown.push('the handles of another process were checked');
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
  return judge(xenLayer, requested, observation, { wrong, unknown }, raw);
}
