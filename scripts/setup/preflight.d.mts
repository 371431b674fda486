/** What a machine is, as far as the checks look at it. */
export interface Machine {
  /** As Node names it. */
  readonly platform: string;
  /** As Node names it. */
  readonly architecture: string;
  readonly nodeMajor: number;
  readonly uid: number;
  /** Content of /etc/os-release. */
  readonly osRelease: string;
  /** Whether PATH leads to it. */
  readonly hasProgram: (program: string) => boolean;
  /** Room below a directory that may not exist yet. */
  readonly freeBytes: (directory: string) => number;
  readonly exists: (path: string) => boolean;
}

export function thisMachine(): Machine;
export function cacheDirectory(environment?: NodeJS.ProcessEnv): string;
export function obstacles(repository: string, machine?: Machine): string[];
