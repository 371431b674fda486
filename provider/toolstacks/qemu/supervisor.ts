import { unitLimits } from '../../jail/cgroup-limits.ts';
import type { LaunchPlan } from '../../jail/launch-plan.ts';
import { helperShares } from '../../jail/launch-share.ts';
import { shareSocketUnit } from '../../jail/share-places.ts';
import { unitFilter } from '../../jail/seccomp.ts';
import { stopTimeoutSeconds } from '../../jail/stop.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';

/**
 * The unit every guest is an instance of; to be put at `unitTemplatePath`. The launcher is the main process and ends as the
 * parent of QEMU's pid namespace; the loggers end by themselves when nothing writes any more, so nothing that QEMU said last
 * is lost. Strays are ended when the unit is over, however that came; the chroot stays as it is until the next launch or the deletion.
 */
export function unitTemplate(roots: HostRoots = defaultRoots): string {
  return `# Made by Stockade: edits show as drift and are undone.
[Unit]
Description=Stockade guest %i
After=network.target apparmor.service
RequiresMountsFor=${roots.state} ${roots.run}
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${roots.state}/guests/%i/launch run
ExecStop=-${roots.state}/guests/%i/launch stop
ExecStopPost=-${roots.state}/guests/%i/launch over
KillMode=control-group
TimeoutStopSec=35
Restart=no
StandardInput=null
StandardOutput=journal
StandardError=journal
UMask=0077

[Install]
WantedBy=multi-user.target
`;
}

/** What differs from guest to guest; to be put at `/etc/systemd/system/stockade-guest@NAME.service.d/10-stockade.conf`. */
export function unitDropIn(
  plan: Pick<
    LaunchPlan,
    | 'guest'
    | 'restartPolicy'
    | 'shutdownTimeoutSeconds'
    | 'requests'
    | 'limits'
    | 'disks'
    | 'devices'
    | 'usesKvm'
    | 'shares'
  >,
): string {
  const stop = `TimeoutStopSec=${stopTimeoutSeconds(plan.shutdownTimeoutSeconds)}\n${unitFilter(plan)}${unitLimits(plan)}`;
  const head = '# Made by Stockade: edits show as drift and are undone.\n';
  const restarts = plan.restartPolicy === 'on_crash';
  const sockets = helperShares(plan.shares).map(({ tag }) => shareSocketUnit(plan.guest, tag));
  const unit = [
    // A guest that dies over and over again is left alone after five times in a minute.
    ...(restarts ? ['StartLimitIntervalSec=60', 'StartLimitBurst=5'] : []),
    // Wanted, not required: they end when QEMU has connected. Where one cannot listen, QEMU says so and ends.
    ...(sockets.length === 0 ? [] : [`Wants=${sockets.join(' ')}`, `After=${sockets.join(' ')}`]),
  ];
  const about = unit.length === 0 ? '' : `[Unit]\n${unit.join('\n')}\n\n`;
  return `${head}${about}[Service]\n${restarts ? 'Restart=on-failure\nRestartSec=1' : 'Restart=no'}\n${stop}`;
}
