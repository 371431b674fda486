import { digits } from './evidence-stream.ts';
import type { MountObservation } from './observation.ts';

/** All mounts of a table (proc_pid_mountinfo(5)); `undefined`: a line is not of its form, so it is none. */
export function parseMountinfo(text: string): readonly MountObservation[] | undefined {
  const mounts = tableLines(text).map(mountOfLine);
  return mounts.every((mount) => mount !== undefined) ? mounts : undefined;
}

/** Those that are to be understood: of a table that was cut, or that another program has made. */
export function readableMounts(text: string): readonly MountObservation[] {
  return tableLines(text).flatMap((line) => mountOfLine(line) ?? []);
}

function tableLines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** ID PARENT MAJOR:MINOR ROOT POINT OPTIONS TAG* - TYPE SOURCE SUPEROPTIONS. Blanks alone part the fields: they are escaped in names. */
function mountOfLine(line: string): MountObservation | undefined {
  const fields = line.split(' ');
  const dash = fields.indexOf('-', 6);
  const [number, above, device, root, mountPoint, options] = fields;
  const [id, parent] = [digits(number), digits(above)];
  const [fileSystem, source, superOptions] = dash < 0 ? [] : fields.slice(dash + 1);
  if (id === undefined || parent === undefined || device === undefined || root === undefined)
    return undefined;
  if (mountPoint === undefined || options === undefined) return undefined;
  if (fileSystem === undefined || source === undefined || superOptions === undefined) return undefined;
  return {
    ...{ id, parent, device, root: unescaped(root), mountPoint: unescaped(mountPoint) },
    ...{ options, fileSystem: unescaped(fileSystem), source, superOptions },
    propagation: fields.slice(6, dash),
  };
}

/** The kernel writes blank, tab, line break, backslash and `#` in three octal digits. */
function unescaped(text: string): string {
  return text.replaceAll(/\\([0-3][0-7]{2})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
