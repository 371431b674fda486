import { deviceModel, judge } from '../../jail/judge.ts';
import type { IsolationExpectation } from '../../jail/launch-plan.ts';
import { anonymous, socket } from '../../jail/open-files.ts';
import type { GuestObservation, OpenFileObservation } from '../../jail/observation.ts';
import type { LayerEvidence } from '../../model/evidence.ts';

/** Xen's own handles; what they may still do is a layer of its own. */
const xenHandles: ReadonlySet<string> = new Set(
  ['privcmd', 'evtchn', 'gntdev', 'gntalloc', 'hypercall', 'xenbus'].flatMap((name) => [
    `/dev/xen/${name}`,
    `/proc/xen/${name}`,
  ]),
);

/**
 * A device model of Xen's holds what it was started with and nothing else of the host's: its handles on Xen, its monitor and the console's
 * pipes, the log that libxl opened for it. Sockets are those of its monitor, which libxl listens on, and of xenstore.
 */
export function proveXenOpenFiles(
  observation: GuestObservation,
  { guest, runDirectory }: Pick<IsolationExpectation, 'guest' | 'runDirectory'>,
): LayerEvidence {
  const wrong: string[] = [];
  const unknown: string[] = [];
  const model = deviceModel(observation);
  if (model?.openFiles === undefined) unknown.push('open files of the device model could not be listed');
  if (model?.moreOpenFiles === true) unknown.push('the device model has too many open files to list them');
  const own = ownPipes(model?.openFiles ?? []);
  for (const file of model?.openFiles ?? []) {
    if (file.type === 'd') wrong.push(`device-model holds the directory ${JSON.stringify(file.target)}`);
    else if (!own.has(file.target) && !isExpected(file, guest, runDirectory))
      wrong.push(`device-model holds ${JSON.stringify(file.target)}`);
  }
  const raw = (model?.openFiles ?? []).map(
    ({ descriptor, type, target }) => `${model?.pid ?? 0} ${descriptor} ${type} ${target}`,
  );
  const requested = 'handles on Xen, the monitor, the serial console, its log and event counters alone';
  return judge('open-files', requested, observation, { wrong, unknown }, raw);
}

/** QEMU's own: it holds both ends, so that nobody else has one. */
function ownPipes(files: readonly OpenFileObservation[]): ReadonlySet<string> {
  const pipes = files.filter(({ type, target }) => type === 'p' && /^pipe:\[\d{1,20}\]$/.test(target));
  return new Set(
    pipes.flatMap(({ target }) =>
      pipes.filter((other) => other.target === target).length > 1 ? [target] : [],
    ),
  );
}

function isExpected({ type, target }: OpenFileObservation, guest: string, runDirectory: string): boolean {
  if (type === 'c') return target === '/dev/null' || xenHandles.has(target);
  if (type === 'f') return target === `/var/log/xen/qemu-dm-${guest}.log` || xenHandles.has(target);
  if (type === 'p') return [`${runDirectory}/serial`, `${runDirectory}/serial.in`].includes(target);
  if (type === 's') return socket.test(target);
  return anonymous.has(target);
}
