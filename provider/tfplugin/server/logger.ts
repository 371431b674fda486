import type { Logger, LogLevel } from '../types.ts';

const LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error'];

/** What the environment asks for: `TF_LOG_PROVIDER_NAME`, else `TF_LOG_PROVIDER`, else `TF_LOG`; `JSON` is trace. */
export function logThreshold(environment: NodeJS.ProcessEnv, name: string): LogLevel | undefined {
  const own = `TF_LOG_PROVIDER_${name.toUpperCase().replaceAll('-', '_')}`;
  const asked = (
    environment[own] ||
    environment['TF_LOG_PROVIDER'] ||
    environment['TF_LOG'] ||
    ''
  ).toLowerCase();
  return asked === 'json' ? 'trace' : LEVELS.find((level) => level === asked);
}

export interface LoggerOptions {
  /** Below it nothing is even formatted; `undefined` is silent. */
  readonly threshold: LogLevel | undefined;
  /** Shown before each message: `provider.stockade`. */
  readonly module: string;
  readonly write: (line: string) => void;
  readonly now: () => Date;
}

/** Lines as Terraform's own logger reads them: one JSON object each, time with six digits after the second. */
export function createLogger({ threshold, module, write, now }: LoggerOptions): Logger {
  const lowest = threshold === undefined ? LEVELS.length : LEVELS.indexOf(threshold);
  const at =
    (level: LogLevel) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      if (LEVELS.indexOf(level) < lowest) return;
      const entry = {
        ...fields,
        '@level': level,
        '@message': message,
        '@module': module,
        '@timestamp': now().toISOString().replace('Z', '000Z'),
      };
      write(`${JSON.stringify(entry, plainJson)}\n`);
    };
  return { trace: at('trace'), debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function plainJson(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  return value instanceof Error ? value.message : value;
}
