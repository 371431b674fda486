import type { FleetPlan, PlannedHost } from '../provider/cli/planning.ts';
import type { Address } from '../provider/model/address.ts';
import type { Change, IsolationLine } from '../provider/model/change.ts';
import { caution, problem } from '../provider/model/diagnostic.ts';

/** The texts of a plan that others choose: names cannot hold anything, but values, reasons and messages can. */
export interface PlanTexts {
  readonly name: string;
  readonly value: string;
  readonly field: string;
  readonly message: string;
}

export const plainTexts: PlanTexts = {
  name: 'web1',
  value: 'a value',
  field: 'memoryMib',
  message: 'a message',
};

function line({ value, message, field }: PlanTexts): IsolationLine {
  return { what: `share ${value}`, meaning: message, path: ['shares', field], reason: message };
}

/** A plan with something of everything in it. */
export function samplePlan(texts: PlanTexts = plainTexts): FleetPlan {
  const { name, value, field, message } = texts;
  const guest = (one: string): Address => ({ kind: 'guest', host: 'hv1', name: one });
  const reason = { path: [field], before: value, after: `${value}2`, disruption: 'restart' as const };
  const changes: readonly Change[] = [
    { address: { kind: 'host', host: 'hv1', name: 'hv1' }, action: 'noop', disruption: 'none', reasons: [] },
    {
      address: { kind: 'qemu-users', host: 'hv1', name: 'per-domain' },
      action: 'create',
      disruption: 'none',
      reasons: [],
    },
    {
      address: guest(name),
      action: 'restart',
      disruption: 'restart',
      reasons: [reason, { ...reason, path: ['kernel'], before: `sha256:${'a'.repeat(64)}`, after: '(none)' }],
      isolation: {
        losses: [line(texts)],
        gains: [line(texts)],
        regained: [line(texts)],
        dropped: [line(texts)],
      },
    },
    {
      address: guest('lossy'),
      action: 'replace',
      disruption: 'data-loss',
      reasons: [{ ...reason, disruption: 'data-loss' }],
    },
    {
      address: guest('live'),
      action: 'update',
      disruption: 'live',
      reasons: [{ ...reason, disruption: 'live' }],
    },
    { address: guest('gone'), action: 'delete', disruption: 'none', reasons: [] },
  ];
  return {
    fleet: 'prod',
    hosts: [plannedHost('hv1', changes)],
    failures: [
      {
        host: 'hv2',
        diagnostics: [problem('host-unreachable', message, { host: 'hv2', detail: value, hint: message })],
      },
    ],
    warnings: [
      caution('tcg', message, {
        host: 'hv1',
        resource: `guest ${name} on hv1`,
        detail: `${value}\n${value}`,
        hint: message,
      }),
    ],
  };
}

export function plannedHost(host: string, changes: readonly Change[]): PlannedHost {
  return {
    host,
    changes,
    operations: [],
    basis: {},
    target: { connection: 'local', host, sudo: false },
    intent: {
      target: { connection: 'local', host, sudo: false },
      makes: true,
      keeps: () => true,
      wish: {
        host: { host, fleet: 'prod', qemuBinary: undefined, toolstack: 'qemu' },
        users: [],
        guests: [],
        uploads: new Map(),
      },
    },
  };
}
