import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join, relative, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { problem } from '../../model/diagnostic.ts';
import { namePattern, nameRule } from '../../model/names.ts';
import { fileTrouble } from '../../model/system-error.ts';
import { jsonSchemaText } from '../../spec/yaml/json-schema.ts';
import { type StarterAnswers, starterDefinition, starterIgnores } from '../starter.ts';
import { terminalLine } from '../views/escape.ts';
import { type Context, defaultFile, fail } from './common.ts';

const name = (text: string): string => {
  if (!namePattern.test(text)) throw new InvalidArgumentError(`A name is ${nameRule}.`);
  return text;
};
const whole = (text: string): number => {
  if (!/^[0-9]{1,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
};

export function initCommand(context: Context): Command {
  const ssh = join(homedir(), '.ssh');
  return new Command('init')
    .description(
      'write a first definition, with what each line is for, and a .gitignore; nothing that is there is overwritten',
    )
    .argument('[directory]', 'where', '.')
    .addOption(
      new Option('--fleet <name>', "the owner's name (default: that of the directory)").argParser(name),
    )
    .addOption(new Option('--host <name>', "the host's name").argParser(name).default('hv1'))
    .option('--address <address>', 'its DNS name or IP address', 'hv1.example.org')
    .addOption(new Option('--port <port>', "its sshd's port").argParser(whole).default(22))
    .option('--user <user>', 'who logs in', 'root')
    .option('--sudo', 'that user is not root and may use sudo', false)
    .option(
      '--host-key <key>',
      "the host's public key, ssh-ed25519 AAAA… (default: looked for in --known-hosts)",
    )
    .option('--known-hosts <file>', 'where known hosts are', join(ssh, 'known_hosts'))
    .option('--key <file>', 'the private key to log in with', join(ssh, 'id_ed25519'))
    .addOption(new Option('--guest <name>', "the first guest's name").argParser(name).default('web1'))
    .addOption(new Option('--memory-mib <MiB>', 'its memory').argParser(whole).default(256))
    .option('--kernel <file>', 'its kernel', 'vmlinuz')
    .option('--initrd <file>', 'its initial RAM disk')
    .addOption(new Option('--accelerator <name>', 'what runs it').choices(['kvm', 'tcg']).default('kvm'))
    .action((directory: string, options: Partial<StarterAnswers>) => runInit(context, directory, options));
}

async function runInit(context: Context, directory: string, options: Partial<StarterAnswers>): Promise<void> {
  const answers = completed(directory, options);
  const files: readonly (readonly [string, string])[] = [
    [defaultFile, starterDefinition(answers)],
    ['stockade.schema.json', jsonSchemaText()],
    ['.gitignore', starterIgnores],
  ];
  const { console } = context;
  for (const [file, content] of files) {
    const path = join(directory, file);
    try {
      await mkdir(directory, { recursive: true });
      await writeFile(path, content, { flag: 'wx' });
      console.print(`wrote ${terminalLine(path)}\n`);
    } catch (error) {
      const why = fileTrouble(error);
      if (file !== defaultFile) console.note(`left ${terminalLine(path)} alone: ${why}\n`);
      else {
        fail(context, [
          problem('file-unwritable', `${path} was not written: ${why}`, { hint: 'Name another directory.' }),
        ]);
        return;
      }
    }
  }
  console.print('Next: look at the file, then "stockade plan" and "stockade apply".\n');
}

/** Paths of files start at the file that names them. */
function completed(directory: string, options: Partial<StarterAnswers>): StarterAnswers {
  const here = (path: string) =>
    path.startsWith('/') ? path : relative(resolve(directory), resolve(path)) || '.';
  const { kernel = 'vmlinuz', initrd, key = '', knownHosts = '' } = options;
  const called = basename(resolve(directory))
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, '-')
    .replace(/^-+/, '');
  return {
    fleet: called === '' ? 'fleet-1' : called.slice(0, 63),
    host: 'hv1',
    address: 'hv1.example.org',
    port: 22,
    user: 'root',
    sudo: false,
    hostKey: undefined,
    guest: 'web1',
    memoryMib: 256,
    accelerator: 'kvm',
    ...options,
    ...{ kernel: here(kernel), initrd: initrd === undefined ? undefined : here(initrd) },
    ...{ key: here(key), knownHosts: here(knownHosts) },
  };
}
