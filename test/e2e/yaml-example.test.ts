import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { App, TerraformOutput, TerraformStack, Testing } from 'cdktf';
import { stringify } from 'yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../../constructs/index.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { containerStates } from '../container-host.ts';
import { type Configuration, guestFiles, Workspace } from './terraform.fixture.ts';

const lab = useLab({ hosts: 1, name: 'yaml-example' });
const folder = mkdtempSync(join(tmpdir(), 'stockade-yaml-'));
const definitions = join(folder, 'definitions');
let workspace: Workspace;
let before: HostSnapshot;

/** What Terraform gets, from the files as they are now. */
function synthesized(): Configuration {
  const stack = new TerraformStack(new App({ outdir: join(folder, 'out') }), 'yaml');
  const { guests } = Fleet.fromYaml(stack, 'all', definitions);
  for (const [name, guest] of guests) {
    const value = { states: guest.evidence.states, memory: guest.resource.memoryMib };
    new TerraformOutput(stack, name, { value });
  }
  const { terraform: _, ...rest } = JSON.parse(Testing.synth(stack)) as Configuration;
  return rest;
}

const output = async (name: string) =>
  JSON.parse(await workspace.succeed('output', '-json', name)) as Configuration;

describe('examples/yaml, as constructs', () => {
  beforeAll(async () => {
    before = await snapshotHost(lab.host);
    cpSync(resolve(import.meta.dirname, '../../examples/yaml'), definitions, { recursive: true });
    const { kernel, initrd } = await guestFiles();
    cpSync(kernel, join(definitions, 'vmlinuz'));
    cpSync(initrd, join(definitions, 'initrd.img'));
    const { address, port, user, hostPublicKey: hostKey, keyFile: privateKeyFile } = lab.host;
    const place = {
      hosts: { hv1: { address, port, user, hostKey, privateKeyFile } },
      users: [{ host: 'hv1' }],
      defaults: { guests: { accelerator: 'tcg' } },
    };
    writeFileSync(join(definitions, 'hosts.yaml'), stringify(place));
    workspace = await Workspace.make(synthesized());
  });
  afterAll(() => {
    workspace.remove();
    rmSync(folder, { recursive: true });
  });

  it('makes the guests, and every layer holds', async () => {
    await workspace.apply();
    expect(await output('web1')).toEqual({ states: containerStates, memory: 128 });
    expect(await output('db1')).toEqual({ states: containerStates, memory: 256 });
  });

  it('synthesized anew, changes nothing', async () => {
    workspace.write(synthesized());
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it('a guest that left the files is destroyed', async () => {
    rmSync(join(definitions, 'guests.yaml'));
    workspace.write(synthesized());
    const { actions } = await workspace.plan();
    expect(Object.values(actions)).toEqual(['delete', 'delete']);
    await workspace.destroy();
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});
