import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, TerraformStack, Testing } from 'cdktf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type CommandGateProps,
  HypervisorHost,
  RestrictedGuest,
  StockadeFleet,
} from '../../constructs/index.ts';
import { standstillKernel } from '../lab/guest/standstill.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { mirrorWithNullStandIn } from './null-stand-in.fixture.ts';
import { type Configuration, flat, Workspace } from './terraform.fixture.ts';

const lab = useLab({ hosts: 1, name: 'command-gate' });
const folder = mkdtempSync(join(tmpdir(), "stockade gate's-"));
const kernel = join(folder, 'still');
const seen = join(folder, 'seen');
const second = 'stockade_guest.second';
let workspace: Workspace;
let before: HostSnapshot;

/** Writes down how it was called, and ends as the file beside it says. */
const program = `#!/bin/sh
for word do printf '<%s>' "$word"; done >>seen
printf ' %s in %s, %s\\n' "$STOCKADE_GUESTS" "$PWD" "$GREETING" >>seen
exit "$(cat verdict)"
`;
const words = [
  'a b',
  "it's",
  '$(touch broken)',
  '`touch broken`',
  '; touch broken',
  '${HOME} %{if}',
  '*',
  '',
];
const calls = () => (existsSync(seen) ? readFileSync(seen, 'utf8').trimEnd().split('\n') : []);
const expectedCall = `${words.map((word) => `<${word}>`).join('')} h1/first in ${folder}, $(touch broken)'`;

/** What Terraform gets: two guests and a gate between them. */
function synthesized(props: Pick<CommandGateProps, 'command'>, memoryMib = 64): Configuration {
  const stack = new TerraformStack(new App({ outdir: join(folder, 'out') }), 'gates');
  const { address, port, user, hostPublicKey: hostKey, keyFile: privateKeyFile } = lab.host;
  const hosts = { h1: { address, port, user, hostKey, privateKeyFile } };
  const fleet = new StockadeFleet(stack, 'fleet', { fleet: 'fleet-1', hosts });
  const users = new HypervisorHost(stack, 'h1', { fleet }).qemuUsers({ lastDomid: 16 });
  const still = { users, accelerator: 'tcg', kernel: { file: kernel }, shutdownTimeoutSeconds: 0 } as const;
  const first = new RestrictedGuest(stack, 'first', { ...still, memoryMib });
  fleet.gate('smoke', {
    after: [first],
    before: [new RestrictedGuest(stack, 'second', { ...still, memoryMib: 64 })],
    environment: { GREETING: "$(touch broken)'" },
    workingDirectory: folder,
    ...props,
  });
  const whole = JSON.parse(Testing.synth(stack)) as { readonly terraform: Configuration };
  const { required_providers } = whole.terraform;
  return { ...whole, terraform: { required_providers } };
}

const verdict = (code: number) => writeFileSync(join(folder, 'verdict'), String(code));
const argv = { command: ['./check', ...words] };

beforeAll(async () => {
  before = await snapshotHost(lab.host);
  writeFileSync(kernel, standstillKernel());
  writeFileSync(join(folder, 'check'), program, { mode: 0o755 });
  const configuration = synthesized(argv);
  const providers = (configuration['terraform'] as Configuration)['required_providers'];
  const { version } = (providers as Readonly<Record<string, { version: string }>>)['null'] ?? { version: '' };
  workspace = await Workspace.make(configuration, await mirrorWithNullStandIn(version));
});
afterAll(() => {
  workspace.remove();
  rmSync(folder, { recursive: true });
});

describe("a user's own command between two guests (with a stand-in for hashicorp/null)", () => {
  it('holds the second back where it fails, and runs again in the next apply', async () => {
    verdict(3);
    const said = await workspace.fail('apply', '-input=false', '-auto-approve');
    expect(said).toContain('exit status 3');
    expect(await workspace.addresses()).not.toContain(second);
    expect(calls()).toEqual([expectedCall]);
    expect((await workspace.plan()).actions).toMatchObject({ [second]: 'create' });
  });

  it('lets the second come up where it ends well; its words came as they are', async () => {
    verdict(0);
    const output = await workspace.apply();
    expect(output.indexOf('null_resource.fleet_smoke')).toBeGreaterThanOrEqual(0);
    expect(output.search(/null_resource\.\S+: Creation complete/)).toBeLessThan(
      output.indexOf(`${second}: Creating`),
    );
    expect(calls()).toEqual([expectedCall, expectedCall]);
    expect(existsSync(join(folder, 'broken'))).toBe(false);
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it('runs again where the first guest changes, and only then', async () => {
    workspace.write(synthesized(argv, 72));
    const { actions } = await workspace.plan();
    expect(Object.values(actions).toSorted()).toEqual(['delete,create', 'update']);
    await workspace.apply();
    expect(calls()).toHaveLength(3);
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
    await workspace.apply();
    expect(calls()).toHaveLength(3);
  });

  it("may be a script, in which ${…} is the shell's", async () => {
    const script = 'for guest in ${STOCKADE_GUESTS}; do ./check script "$guest"; done';
    workspace.write(synthesized({ command: { script } }, 80));
    const output = flat(await workspace.apply());
    expect(output).toContain('Apply complete!');
    expect(calls().at(-1)).toMatch(/^<script><h1\/first> h1\/first in /);
  });

  it('leaves nothing, and is not asked when all is destroyed', async () => {
    await workspace.destroy();
    expect(calls()).toHaveLength(4);
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});
