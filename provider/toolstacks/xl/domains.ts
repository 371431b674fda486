import { z } from 'zod';
import type { ReadSection } from '../../model/operation.ts';
import { sh } from '../../model/shell.ts';

/** A domain of the host, ours or not; texts are hostile until shown. */
export interface XenDomain {
  readonly domid: number;
  readonly name: string;
  /** Lower case. */
  readonly uuid: string;
  /** Unit: KiB; `undefined`: not said. */
  readonly maxMemoryKib: number | undefined;
  /** libxl's own word, in xenstore where no guest can write. */
  readonly deviceModelPid: number | undefined;
}

export const domainsSectionName = 'xen-domains';

const answerSeconds = 30;
const listLimitBytes = 8 * 1024 * 1024;
const storeLimitBytes = 1024 * 1024;

/** Domains as xl and xenstore have them: five processes where the host has `xl`, none elsewhere. Fields end with NUL. */
export function domainsSection(): ReadSection {
  return {
    name: domainsSectionName,
    arguments: [],
    body: sh`command -v xl >/dev/null && [ -r /proc/xen/capabilities ] || exit 0
printf 'list\\0'
timeout ${answerSeconds} xl list -l 2>/dev/null | head -c ${listLimitBytes} | tr -d '\\000'
printf '\\0store\\0'
store=$(timeout ${answerSeconds} xenstore-ls -f /local/domain 2>/dev/null | grep -aE '^/local/domain/[0-9]+/image/device-model-pid = "' | head -c ${storeLimitBytes} | tr -d '\\000')
printf '%s\\0end\\0' "$store"`,
  };
}

const domainSchema = z.object({
  domid: z.int().min(0).max(65_535),
  config: z.object({
    c_info: z.object({
      name: z.string().max(1024).default(''),
      uuid: z.string().regex(/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/),
    }),
    b_info: z.object({ max_memkb: z.int().min(0).optional() }).default({}),
  }),
});

/** Reads what `domainsSection` printed: none on a host without Xen. `undefined`: xl gave no answer. */
export function parseDomains(bytes: Uint8Array): readonly XenDomain[] | undefined {
  if (bytes.length === 0) return [];
  const [listTag, list = '', storeTag, store = '', end] = Buffer.from(bytes).toString('utf8').split('\0');
  const whole = listTag === 'list' && storeTag === 'store' && end === 'end';
  const entries = whole ? json(list) : undefined;
  const models = modelsOf(store);
  return entries?.flatMap((entry) => {
    const parsed = domainSchema.safeParse(entry);
    if (!parsed.success) return [];
    const { domid, config } = parsed.data;
    return [
      {
        domid,
        name: config.c_info.name,
        uuid: config.c_info.uuid.toLowerCase(),
        maxMemoryKib: config.b_info.max_memkb,
        deviceModelPid: models.get(domid),
      },
    ];
  });
}

/** One domain alone is an object, several are a list (xl 4.17: always a list); none is nothing. */
function json(text: string): readonly unknown[] | undefined {
  if (text.trim() === '') return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? (value as readonly unknown[]) : [value];
  } catch {
    return undefined;
  }
}

/** Pids by domid. `PATH = "VALUE"` a line; xenstore's own tool escapes what a value holds. */
function modelsOf(text: string): ReadonlyMap<number, number> {
  const models = new Map<number, number>();
  for (const line of text.split('\n')) {
    const [, domid, pid] =
      /^\/local\/domain\/(\d{1,5})\/image\/device-model-pid = "(\d{1,10})" *$/.exec(line) ?? [];
    if (domid !== undefined && pid !== undefined) models.set(Number(domid), Number(pid));
  }
  return models;
}
