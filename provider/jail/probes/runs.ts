import { controlSetup } from './attacks-network.ts';
import { type CanaryProgram, canaryProgram } from './program.ts';
import type { Probe } from './probe.ts';

/** One process that makes some of the probes. */
export interface ProbeRun {
  /** `shared`, `own-3`, `control`, `control-3`: what its answers are called. */
  readonly name: string;
  /** Started by the launcher, as a guest is; else it is the control, without any of the jail. */
  readonly jailed: boolean;
  /** Names of probes. */
  readonly probes: readonly string[];
  /** Offsets of rows in the program. */
  readonly firstRow: number;
  readonly endOfRows: number;
}

/** What a run of probes on one host consists of: one program, and which part of it each canary runs. */
export interface ProbePlan {
  readonly probes: readonly Probe[];
  readonly program: CanaryProgram;
  readonly runs: readonly ProbeRun[];
  /** Not run, and why. */
  readonly left: readonly { readonly probe: Probe; readonly reason: string }[];
}

export interface ProbePlanSettings {
  /** Runs the same probes without the jail too. */
  readonly control: boolean;
  /** Controllers of the host's cgroups that enforce limits. */
  readonly controllers: readonly string[];
}

/** Controls that run apart first, then what a canary each is for, then what one canary does: each run is a stretch of rows. */
export function planProbes(table: readonly Probe[], settings: ProbePlanSettings): ProbePlan {
  const enforced = ({ controller }: Probe) =>
    controller === undefined || settings.controllers.includes(controller);
  const left = table
    .filter((probe) => !enforced(probe))
    .map((probe) => ({
      probe,
      reason: `this host does not enforce such limits: it has no cgroup controller ${probe.controller}`,
    }));
  const wanted = table.filter(enforced);
  const rank = ({ alone, controlApart }: Probe) => (controlApart === true ? 0 : alone === true ? 1 : 2);
  const probes = [0, 1, 2].flatMap((each) => wanted.filter((probe) => rank(probe) === each));
  const apart = probes.filter((probe) => rank(probe) === 0);
  const others = probes.filter((probe) => rank(probe) !== 0);
  const ordered = [...apart, controlSetup, ...others];
  const program = canaryProgram(ordered);
  const run = (name: string, jailed: boolean, members: readonly Probe[]): readonly ProbeRun[] => {
    const [first, last] = [members[0], members.at(-1)].map((probe) =>
      probe === undefined ? undefined : program.places[ordered.indexOf(probe)],
    );
    if (first === undefined || last === undefined) return [];
    const names = members.map((probe) => probe.name);
    return [{ name, jailed, probes: names, firstRow: first.firstRow, endOfRows: last.endOfRows }];
  };
  const single = (prefix: string, jailed: boolean, members: readonly Probe[]) =>
    members.flatMap((probe, index) => run(`${prefix}-${index + 1}`, jailed, [probe]));
  const controls = settings.control
    ? [...run('control', false, [controlSetup, ...others]), ...single('control', false, apart)]
    : [];
  const shared = run(
    'shared',
    true,
    probes.filter(({ alone }) => alone !== true),
  );
  const own = single(
    'own',
    true,
    probes.filter(({ alone }) => alone === true),
  );
  return { probes: ordered, program, runs: [...controls, ...shared, ...own], left };
}
