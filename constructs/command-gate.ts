import { NullProvider } from '@cdktf/provider-null/lib/provider/index.js';
import { Resource as NullResource } from '@cdktf/provider-null/lib/resource/index.js';
import { type LocalExecProvisioner, Token, TerraformStack } from 'cdktf';
import type { Construct } from 'constructs';
import { fromHere } from './files.ts';
import { Gate, type GateProps } from './gate.ts';
import { literallyAround } from './literal.ts';

/**
 * What runs on the machine that applies. A list of words: a program and its arguments, as they are; no shell sees them. A script: the
 * user's own text for an interpreter, `/bin/sh -c` unless another is named. `${…}` is text in both, and no expression of Terraform's.
 */
export type GateCommand =
  | readonly string[]
  | { readonly script: string; readonly interpreter?: readonly string[] };

export interface CommandGateProps extends GateProps {
  /** Opens the gate where it ends with 0. Values that only Terraform knows may be words, but belong in `environment` of a script. */
  readonly command: GateCommand;
  /**
   * Variables of the command's environment, beside those that Terraform runs with.
   * @default - `STOCKADE_GUESTS`, the first group: `hv1/web1 hv1/web2`; also with others
   */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * Where it runs; a relative path starts where the app runs.
   * @default - where the app runs
   */
  readonly workingDirectory?: string;
}

/**
 * Runs a command of the user's own, in a `null_resource`. It runs again in each apply that changes a guest of the first group, and after it has
 * failed. Terraform sets it no limit of time. The plugin of `hashicorp/null` comes from Terraform's registry.
 */
export class CommandGate extends Gate {
  override readonly resource: NullResource;

  /** @throws where there is no command, or it cannot be given to Terraform as it is */
  constructor(scope: Construct, id: string, props: CommandGateProps) {
    super(scope, id, props);
    const { command, environment = {}, workingDirectory = '.' } = props;
    const fault = faultOf(command) ?? faultOfEnvironment(environment);
    if (fault !== undefined) throw new Error(`${this.node.path}: ${fault}`);
    const variables = { STOCKADE_GUESTS: this.after.map((guest) => guest.id).join(' '), ...environment };
    this.resource = new NullResource(this, 'Default', {
      provider: nullProvider(TerraformStack.of(this)),
      triggers: Object.fromEntries(
        this.after.map(({ node, resource }) => [node.path, resource.getStringAttribute('generation')]),
      ),
      provisioners: [
        {
          type: 'local-exec',
          ...execution(command),
          workingDir: fromHere(workingDirectory),
          environment: Object.fromEntries(
            Object.entries(variables).map(([name, value]) => [name, literallyAround(value)]),
          ),
        },
      ],
    });
  }
}

/** Of its own, beside whichever the stack has. */
function nullProvider(stack: TerraformStack): NullProvider {
  const id = 'stockade-null';
  const found = stack.node.tryFindChild(id);
  return found instanceof NullProvider ? found : new NullProvider(stack, id, { alias: 'stockade' });
}

/**
 * Terraform appends the command to the interpreter's words. So the last word of a list is the command, and the interpreter is a shell that
 * sees constant text and hands the words on. A command may not be empty: empty words at the end are part of that text.
 */
function execution(command: GateCommand): Pick<LocalExecProvisioner, 'command' | 'interpreter'> {
  if (!isWords(command)) {
    const { script, interpreter = ['/bin/sh', '-c'] } = command;
    return { command: literallyAround(script), interpreter: interpreter.map(literallyAround) };
  }
  const count = command.findLastIndex((word) => word !== '') + 1;
  const words = command.slice(0, count).map(literallyAround);
  const text = `exec "$@"${" ''".repeat(command.length - count)}`;
  return { command: words.at(-1) ?? '', interpreter: ['/bin/sh', '-c', text, 'gate', ...words.slice(0, -1)] };
}

function isWords(command: GateCommand): command is readonly string[] {
  return Array.isArray(command);
}

function faultOf(command: GateCommand): string | undefined {
  if (isWords(command)) {
    if ((command[0] ?? '') === '') return 'command names no program';
    return command.some(holdsNull) ? 'a word of command has a NUL character in it' : undefined;
  }
  const { script, interpreter = ['/bin/sh'] } = command;
  if (script.trim() === '') return 'command.script is empty';
  if ((interpreter[0] ?? '') === '') return 'command.interpreter names no program';
  if ([script, ...interpreter].some(holdsNull)) return 'command has a NUL character in it';
  // a value would become part of the program's text
  return Token.isUnresolved(script)
    ? 'command.script has a value in it that only Terraform knows; hand it over in environment'
    : undefined;
}

function faultOfEnvironment(environment: Readonly<Record<string, string>>): string | undefined {
  const bad = Object.keys(environment).find((name) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  if (bad !== undefined) return `environment has no name for a variable: ${JSON.stringify(bad)}`;
  return Object.values(environment).some(holdsNull) ? 'environment has a NUL character in it' : undefined;
}

function holdsNull(text: string): boolean {
  return text.includes('\0');
}
