import { describe, expect, test } from 'vitest';
import { checkProvider } from '../../../provider/tfplugin/engine/check-schema.ts';
import { attribute } from '../../../provider/tfplugin/index.ts';
import { platformName, sourceAddress } from '../../../provider/tfplugin/packaging/address.ts';
import { renderLockFile } from '../../../provider/tfplugin/packaging/lock-file.ts';
import { createLogger, logThreshold } from '../../../provider/tfplugin/server/logger.ts';
import { toWireDiagnostic, toWirePath } from '../../../provider/tfplugin/wire/diagnostics.ts';

describe('log', () => {
  const lines = (threshold: ReturnType<typeof logThreshold>): string[] => {
    const written: string[] = [];
    const log = createLogger({
      threshold,
      module: 'provider.x',
      write: (line) => written.push(line),
      now: () => new Date('2026-01-02T03:04:05.678Z'),
    });
    log.debug('below');
    log.warn('two\nlines', { '@level': 'forged', count: 2n, cause: new Error('why') });
    return written;
  };

  test('is one JSON object a line, with six digits after the second, whatever the message', () => {
    expect(lines('info')).toEqual([
      '{"@level":"warn","count":"2","cause":"why","@message":"two\\nlines","@module":"provider.x","@timestamp":"2026-01-02T03:04:05.678000Z"}\n',
    ]);
  });

  test('is silent where nobody asked for it', () => {
    expect(lines(logThreshold({}, 'x'))).toEqual([]);
  });

  test('obeys the most specific of the variables', () => {
    const environment = { TF_LOG: 'TRACE', TF_LOG_PROVIDER: 'WARN', TF_LOG_PROVIDER_MY_ONE: 'debug' };
    expect(logThreshold(environment, 'my-one')).toBe('debug');
    expect(logThreshold(environment, 'other')).toBe('warn');
    expect(logThreshold({ TF_LOG: 'JSON' }, 'other')).toBe('trace');
  });
});

describe('diagnostics', () => {
  test('point at the top-level attribute and name the rest', () => {
    const wire = toWireDiagnostic({
      severity: 'error',
      summary: 'No',
      detail: 'Because.',
      path: ['hosts', 'my host', 'disks', 2],
    });
    expect(wire).toMatchObject({ summary: 'No', detail: 'At hosts["my host"].disks[2]. Because.' });
    expect(wire.attribute?.steps).toEqual([{ selector: { $case: 'attributeName', attributeName: 'hosts' } }]);
  });

  test('a replacement path tells keys from names by the type, and ends before a set', () => {
    const type = { object: { rooms: { map: { object: { tags: { set: 'string' } } } } } } as const;
    const { steps } = toWirePath(['rooms', 'hall', 'tags', 0], type);
    expect(steps.map(({ selector }) => selector?.$case)).toEqual([
      'attributeName',
      'elementKeyString',
      'attributeName',
    ]);
  });
});

test('a schema that contradicts itself is named with its path', () => {
  const provider = {
    schema: { attributes: {} },
    resources: {
      shelf_thing: {
        schema: {
          attributes: {
            door: attribute.nested(
              'single',
              { Hinge: attribute.string({ optional: true, default: 'l' }) },
              {},
            ),
          },
        },
        create: async () => ({ state: null }),
        delete: async () => ({}),
      },
    },
  };
  expect(checkProvider(provider).map(({ detail }) => detail)).toEqual([
    'door: it must be required, optional or computed. This is a mistake in the provider.',
    'door.Hinge: the name must be lower-case letters, digits and underscores. This is a mistake in the provider.',
    'door.Hinge: a default needs optional and computed. This is a mistake in the provider.',
  ]);
});

describe('packaging', () => {
  const release = { namespace: 'n', type: 't', version: '1.0.0' };

  test('addresses and platforms are named as Terraform names them', () => {
    expect(sourceAddress(release)).toBe('registry.terraform.io/n/t');
    expect(platformName('linux', 'x64')).toBe('linux_amd64');
    expect(platformName('darwin', 'arm64')).toBe('darwin_arm64');
    expect(platformName('win32', 'ia32')).toBe('windows_386');
  });

  test('a lock file has its providers and hashes in order', () => {
    const text = renderLockFile([
      { ...release, type: 'z', hashes: ['h1:b', 'h1:a'] },
      { ...release, constraints: '~> 1.0', hashes: ['h1:c'] },
    ]);
    expect(text.match(/provider "(.*)"/g)).toEqual([
      'provider "registry.terraform.io/n/t"',
      'provider "registry.terraform.io/n/z"',
    ]);
    expect(text).toContain('  hashes = [\n    "h1:a",\n    "h1:b",\n  ]\n');
    expect(text).toContain('  constraints = "~> 1.0"\n');
  });
});
