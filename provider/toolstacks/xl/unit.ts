import { unitLimits } from '../../jail/cgroup-limits.ts';
import { restartLimit, restartWindowSeconds, type XlPlan, xenDeviceNodes } from './plan.ts';

/** How long a domain may take from its unit's start to its device model running: xl waits itself for hotplug scripts and QEMU. Unit: seconds. */
export const domainStartSeconds = 180;

/** What ending a domain takes beside the guest's own time. Unit: seconds. */
const destroySeconds = 60;

/**
 * What makes the unit that every guest is an instance of one of xl's: started when the launcher says so, after Xen's own services, and
 * stopped before them and before `xendomains`, which would save a domain that still runs.
 */
export function xlDropIn(plan: XlPlan): string {
  const restarts = plan.restartPolicy === 'on_crash';
  const unit = [
    'After=xenstored.service xenconsoled.service xen-init-dom0.service xen.service xendomains.service',
    // A guest that dies over and over again is left alone after five times; a slow host needs most of a minute to make a domain
    ...(restarts ? [`StartLimitIntervalSec=${restartWindowSeconds}`, `StartLimitBurst=${restartLimit}`] : []),
  ];
  const service = [
    'Type=notify',
    'NotifyAccess=all',
    `TimeoutStartSec=${domainStartSeconds}`,
    ...(restarts ? ['Restart=on-failure', 'RestartSec=1'] : ['Restart=no']),
    `TimeoutStopSec=${plan.shutdownTimeoutSeconds + destroySeconds}`,
  ];
  const limits = unitLimits({ ...plan, devices: xenDeviceNodes, usesKvm: false });
  return `# Made by Stockade: edits show as drift and are undone.\n[Unit]\n${unit.join('\n')}\n\n[Service]\n${service.join('\n')}\n${limits}`;
}
