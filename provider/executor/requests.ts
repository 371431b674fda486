import type { Diagnostic } from '../model/diagnostic.ts';
import type { Operation, OperationResult, ReadSection } from '../model/operation.ts';
import type { Batch, BatchOutcome } from './batch.ts';
import { sectionCut, sectionFailed, sectionMissing } from './diagnostics.ts';
import { orderOperations } from './order.ts';

/** What one caller asked for. Without `operations` it only reads. */
export interface Request {
  readonly operations?: readonly Operation[];
  readonly sections: readonly ReadSection[];
  /** It is carried out even after a stop was asked for. @default false */
  readonly urgent?: boolean;
}

/** What one caller gets. */
export interface Answer {
  readonly began: boolean;
  readonly results: readonly OperationResult[];
  readonly sections: ReadonlyMap<string, Uint8Array>;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Which of the requests, first come first, can travel together: sections of one name must have one body, so a caller that
 * means something else by a name waits for the next batch. What is urgent goes before all else and by itself: a batch is stopped as a whole.
 */
export function chooseTogether<R extends Request>(requests: readonly R[]): { taken: R[]; left: R[] } {
  const bodies = new Map<string, string>();
  const taken: R[] = [];
  const left: R[] = [];
  const hurry = requests.some(({ urgent = false }) => urgent);
  for (const request of requests) {
    const { urgent = false, sections } = request;
    const isAlike = sections.every(({ name, body }) => (bodies.get(name) ?? body.text) === body.text);
    const fits = urgent === hurry && isAlike;
    (fits ? taken : left).push(request);
    if (fits) for (const { name, body } of sections) bodies.set(name, body.text);
  }
  return { taken, left };
}

/** One batch of all requests: sections of one name become one, with everybody's arguments. */
export function mergeRequests(requests: readonly Request[]): Batch {
  const sections = new Map<string, ReadSection>();
  for (const section of requests.flatMap((request) => request.sections)) {
    const before = sections.get(section.name)?.arguments ?? [];
    const united = [...new Set([...before, ...section.arguments])];
    sections.set(section.name, { ...section, arguments: united });
  }
  const merged = { sections: [...sections.values()] };
  if (requests.every(({ operations }) => operations === undefined)) return merged;
  return { ...merged, order: orderOperations(requests.map(({ operations }) => operations ?? [])) };
}

/** Gives each request its own share of what came back. */
export function splitOutcome(
  host: string,
  requests: readonly Request[],
  outcome: BatchOutcome,
  sectionLimitBytes: number,
): Answer[] {
  let first = 0;
  return requests.map((request) => {
    const count = request.operations?.length ?? 0;
    const results = outcome.results.slice(first, first + count);
    first += count;
    const sections = new Map<string, Uint8Array>();
    const diagnostics = [...outcome.diagnostics];
    for (const { name } of request.sections) {
      const section = outcome.sections.get(name);
      if (section?.exitCode === 0) sections.set(name, section.bytes);
      else if (section?.exitCode !== undefined) {
        diagnostics.push(sectionFailed(host, name, section.exitCode, outcome.stderr));
      } else if (outcome.diagnostics.length === 0) {
        diagnostics.push(section ? sectionCut(host, name, sectionLimitBytes) : sectionMissing(host, name));
      }
    }
    return { began: outcome.began, results, sections, diagnostics };
  });
}
