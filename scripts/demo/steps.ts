import { buildGuestImage } from '../../test/lab/guest/image.ts';
import { guestBanner } from '../../test/lab/guest/init.ts';
import { type LabHost, startLab } from '../../test/lab/lab.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../../test/lab/snapshot.ts';
import { layersOf, renderLayers } from './evidence-table.ts';
import { type LineFilter, type Output, quieter, withoutAttributes } from './output.ts';
import type { ProgramOutcome } from './program.ts';
import { Quickstart, quickstartSettings } from './quickstart.ts';
import { watchSerial } from './serial.ts';

/** A step did not do what it should; the message says which and why. */
export class DemoFailure extends Error {}

/** Runs every step; throws `DemoFailure` at the first that fails. Nothing is left behind either way. */
export async function demonstrate(output: Output): Promise<{ readonly cdktfStarts: number }> {
  const done = output.section('A hypervisor host: Debian 12 with its own systemd and sshd');
  const progress = (line: string) => output.line(line);
  const building = buildGuestImage(progress);
  // Looked at once the lab is up, so that a lab never starts unattended.
  building.catch(() => undefined);
  const lab = await startLab({ hosts: 1, name: 'demo', progress });
  try {
    const image = await building;
    const [host] = lab.hosts;
    if (host === undefined) throw new DemoFailure('the lab started without a host');
    const before = await snapshotHost(host);
    output.line(`${host.name} answers at ${host.address}; nothing of Stockade is on it`);
    done();
    return await withQuickstart(output, host, before, new Quickstart(quickstartSettings(host, image)));
  } finally {
    await lab.stop();
  }
}

async function withQuickstart(output: Output, host: LabHost, before: HostSnapshot, quickstart: Quickstart) {
  const remove = () => quickstart.remove();
  process.once('exit', remove);
  try {
    await deploy(output, quickstart);
    await showBoot(output, host);
    await showEvidence(output, quickstart);
    await planAgain(output, quickstart);
    await destroy(output, quickstart);
    await checkHost(output, host, before);
    return { cdktfStarts: quickstart.cdktfStarts };
  } finally {
    remove();
    process.off('exit', remove);
  }
}

async function deploy(output: Output, quickstart: Quickstart): Promise<void> {
  const done = output.section('cdktf deploy --auto-approve   (examples/quickstart/main.ts)');
  const outcome = await quickstart.cdktf(['deploy', '--auto-approve'], printer(output));
  demand(outcome, 'cdktf deploy failed');
  done();
}

async function showBoot(output: Output, host: LabHost): Promise<void> {
  const done = output.section("The guest's serial console, as the host logs it");
  const isUp = await watchSerial(host, guestBanner, (line) => output.line(`| ${line}`));
  if (!isUp) throw new DemoFailure(`the guest's serial console did not say "${guestBanner}" within a minute`);
  done();
}

async function showEvidence(output: Output, quickstart: Quickstart): Promise<void> {
  const done = output.section('What the live processes show: data.stockade_guest_evidence');
  const layers = layersOf(await quickstart.state());
  for (const line of renderLayers(layers)) output.line(line);
  // the test host is a container: it enforces no cgroup limits, and its kernel has no security module
  const beyond = layers.filter(({ state }) => state === 'unproven' || state === 'missing');
  const poor = layers.filter(
    (one) =>
      one.state !== 'effective' && (!beyond.includes(one) || !['cgroup-limits', 'lsm'].includes(one.layer)),
  );
  if (layers.length === 0) throw new DemoFailure('the evidence names no layer');
  if (poor.length > 0) {
    throw new DemoFailure(
      `not effective: ${poor.map(({ layer, state }) => `${layer} (${state})`).join(', ')}`,
    );
  }
  const shown = beyond.map(({ layer, state }) => `${layer} ${state}`).join(', ');
  output.strong(`${layers.length - beyond.length} layers are effective; beyond a container host: ${shown}`);
  done();
}

async function planAgain(output: Output, quickstart: Quickstart): Promise<void> {
  const done = output.section('A second plan: terraform plan -detailed-exitcode');
  const outcome = await quickstart.terraform(['plan', '-input=false', '-detailed-exitcode'], printer(output));
  if (outcome.exitCode === 2) throw new DemoFailure('the second plan has changes (exit code 2)');
  demand(outcome, 'the second plan failed');
  output.strong('exit code 0: nothing to change');
  done();
}

async function destroy(output: Output, quickstart: Quickstart): Promise<void> {
  const done = output.section('cdktf destroy --auto-approve');
  const brief = printer(output, withoutAttributes(quieter('quickstart')));
  const outcome = await quickstart.cdktf(['destroy', '--auto-approve', '--skip-synth'], brief);
  if (outcome.exitCode !== 0) outcome.lines.slice(-40).forEach((line) => output.line(line));
  demand(outcome, 'cdktf destroy failed');
  done();
}

async function checkHost(output: Output, host: LabHost, before: HostSnapshot): Promise<void> {
  const done = output.section('What is left on the host: processes, mounts, users, units, files, interfaces');
  const left = compareSnapshots(before, await snapshotHost(host));
  for (const line of left) output.line(line);
  if (left.length > 0) throw new DemoFailure(`the host is not as it was: ${left.length} differences`);
  output.strong('nothing: the host is as it was');
  done();
}

function printer(output: Output, filter: LineFilter = quieter('quickstart')): (line: string) => void {
  return (line) => {
    const shown = filter(line);
    if (shown !== undefined) output.line(shown);
  };
}

function demand(outcome: ProgramOutcome, otherwise: string): void {
  if (outcome.exitCode !== 0)
    throw new DemoFailure(`${otherwise} (exit code ${outcome.exitCode}); its reason is above`);
}
