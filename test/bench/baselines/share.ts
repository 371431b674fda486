import type { LaunchShareDriver } from '../../../provider/jail/launch-share.ts';
import { guestPlaces } from '../../../provider/jail/places.ts';
import { localSharePlace, sharePlaces } from '../../../provider/jail/share-places.ts';
import { lines, sh, type ShellText, word, words } from '../../../provider/model/shell.ts';
import type { RenderedGuest } from '../../../provider/resources/guest/render.ts';
import type { LabHost } from '../../lab/lab.ts';

/** Where the guest's console is on the host. */
const console = '/run/bench-share-console';
/** A guest that takes longer hangs. Unit: seconds. */
const patience = 900;

/**
 * The same QEMU with the same arguments and the same driver, started by a shell as root: no user, no namespaces, no chroot, no filter
 * of system calls, no limits. Returns what the guest has printed.
 */
export async function shareByHand(host: LabHost, { plan }: RenderedGuest): Promise<string> {
  const { runDirectory } = guestPlaces(plan.guest);
  const helpers = plan.shares.map(({ driver, source }, index) =>
    helperByHand(driver, source, sharePlaces(plan.guest, index).socket),
  );
  // there is no view: QEMU is given a directory that it serves itself where the host has it
  const qemuArguments = plan.qemuArguments.map((argument) =>
    plan.shares.reduce(
      (text, { source }, index) => text.replace(`path=${localSharePlace(index)},`, `path=${source},`),
      argument,
    ),
  );
  const script = sh`set -eu
rm -rf ${word(runDirectory)}
mkdir -p -m 0700 ${word(runDirectory)}
mkfifo -m 0600 ${word(`${runDirectory}/qmp.in`)} ${word(`${runDirectory}/qmp.out`)}
${lines(helpers)}
timeout --signal=KILL ${patience} ${words([plan.qemuBinary, ...qemuArguments])} 3>${word(console)} </dev/null
cat ${word(console)}
rm -rf ${word(runDirectory)} ${word(console)}`;
  return host.run(script, { timeoutSeconds: patience + 60 });
}

/** As their manuals say, unconfined as far as they can be; they end with QEMU. */
function helperByHand(driver: LaunchShareDriver, source: string, socket: string): ShellText {
  switch (driver.kind) {
    case 'local':
      return sh``;
    case 'proxy':
      return words([driver.helper, '-p', source, '-s', socket, '-u', '0', '-g', '0']);
    case 'virtiofs': {
      const { helper, implementation, cache } = driver;
      const options =
        implementation === 'rust'
          ? [`--shared-dir=${source}`, `--cache=${cache}`, '--xattr', '--sandbox=none', '--seccomp=none']
          : // without a sandbox the one in C is not to be had
            ['-f', '-o', `source=${source}`, '-o', `cache=${cache}`, '-o', 'xattr'];
      return sh`setsid ${words([helper, ...options, `--socket-path=${socket}`])} </dev/null >/dev/null 2>&1 &
for try in $(seq 300); do [ ! -S ${word(socket)} ] || break; sleep 0.1; done`;
    }
  }
}
