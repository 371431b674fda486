import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { word } from '../../provider/model/shell.ts';
import type { Settings } from '../../examples/quickstart/settings.ts';
import type { GuestImage } from '../../test/lab/guest/image.ts';
import type { LabHost } from '../../test/lab/lab.ts';
import { type ProgramOutcome, runProgram } from './program.ts';

/** Told each line that a program prints. */
export type LineListener = (line: string) => void;

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What the example needs to know to run on a test host. */
export function quickstartSettings(host: LabHost, image: GuestImage): Settings {
  return {
    host: { address: host.address, hostKey: host.hostPublicKey, privateKeyFile: host.keyFile },
    // Inside a virtual machine /dev/kvm may be there and still hang a guest.
    accelerator: 'tcg',
    kernel: image.kernel,
    initrd: image.initrd,
  };
}

/**
 * An example, `examples/quickstart` unless another is named, in a project folder of its own, so that its state and output lie outside of the checkout. What
 * `cdktf` and `terraform` get is what a user's shell would give them; nothing points them to the provider.
 */
export class Quickstart {
  readonly folder: string;
  readonly #example: string;
  /** How often the cdktf program was started. */
  cdktfStarts = 0;

  constructor(settings: object, example = 'quickstart') {
    this.#example = example;
    this.folder = mkdtempSync(path.join(tmpdir(), 'stockade-quickstart-'));
    symlinkSync(path.join(root, 'node_modules'), path.join(this.folder, 'node_modules'));
    const project = JSON.parse(readFileSync(path.join(root, 'cdktf.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    const app = `node --import tsx ${word(path.join(root, 'examples', example, 'main.ts')).text}`;
    writeFileSync(path.join(this.folder, 'cdktf.json'), JSON.stringify({ ...project, app }));
    this.configure(settings);
    writeFileSync(path.join(this.folder, 'terraform.rc'), '');
  }

  /** What the next synthesis goes by. */
  configure(settings: object): void {
    writeFileSync(path.join(this.folder, 'settings.json'), JSON.stringify(settings), { mode: 0o600 });
  }

  /** Where Terraform runs. */
  get stackFolder(): string {
    return path.join(this.folder, 'cdktf.out/stacks', this.#example);
  }

  /** The real cdktf, through its command line. */
  cdktf(args: readonly string[], onLine?: LineListener): Promise<ProgramOutcome> {
    this.cdktfStarts++;
    const program = path.join(root, 'node_modules/cdktf-cli/bundle/bin/cdktf');
    return this.#run([process.execPath, program, ...args, '--no-color'], this.folder, onLine);
  }

  /** The real terraform, in the stack's folder. */
  terraform(args: readonly string[], onLine?: LineListener): Promise<ProgramOutcome> {
    return this.#run(['terraform', ...args, '-no-color'], this.stackFolder, onLine);
  }

  /** The state as `terraform show -json` gives it. */
  async state(): Promise<unknown> {
    const shown = await this.#run(['terraform', 'show', '-json'], this.stackFolder);
    if (shown.exitCode !== 0) throw new Error(`terraform show failed:\n${shown.lines.join('\n')}`);
    return JSON.parse(shown.stdout);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #run(command: readonly string[], cwd: string, onLine?: LineListener): Promise<ProgramOutcome> {
    const env = {
      ...process.env,
      // No animation, no colours, nothing asked of the outside, and no copy of the provider in the home directory.
      CI: '1',
      NO_COLOR: '1',
      FORCE_COLOR: '0',
      CHECKPOINT_DISABLE: '1',
      CDKTF_DISABLE_PLUGIN_CACHE_ENV: '1',
      // The user's own settings for Terraform stay out of it.
      TF_CLI_CONFIG_FILE: path.join(this.folder, 'terraform.rc'),
      STOCKADE_SETTINGS: path.join(this.folder, 'settings.json'),
    };
    return runProgram(command, { cwd, env, ...(onLine === undefined ? {} : { onLine }) });
  }
}
