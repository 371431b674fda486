import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { problem, type Diagnostic } from '../../model/diagnostic.ts';
import { systemReason } from '../paths.ts';

/**
 * A directory that only we may enter, for one attempt to connect: configuration, log, control socket. It is gone as soon as the
 * connection stands; only a process that is killed while it connects leaves one behind.
 */
export interface Place {
  /** Plain: it stands in ssh's configuration and, with jump hosts, in a command that ssh gives to a shell. */
  readonly directory: string;
  path(name: string): string;
  /** Gives its path. */
  write(name: string, content: string): string;
  /** A plain name for any file, so that no path of the user's is ever part of ssh's configuration. */
  link(name: string, file: string): string;
  /** Text with those names replaced by what they stand for. */
  named(text: string): string;
  remove(): void;
}

/** A socket's address holds 104 bytes on the strictest system, and ssh first makes one with 17 more than we ask for. */
const longestDirectory = 104 - '/socket'.length - 17 - 1;
const plain = /^\/[A-Za-z0-9._/-]*$/;

/** Makes it below the first of these that will do: `$XDG_RUNTIME_DIR`, the directory for temporary files, `/tmp`. */
export function makePlace(host: string): Place | Diagnostic {
  const tried: string[] = [];
  for (const base of [process.env['XDG_RUNTIME_DIR'], tmpdir(), '/tmp']) {
    if (base === undefined || base === '') continue;
    const prefix = join(base, 'stockade-ssh-');
    if (!plain.test(prefix)) tried.push(`${base}: it has characters other than letters, digits and "._-/"`);
    else if (prefix.length + 6 > longestDirectory) tried.push(`${base}: its path is too long for a socket`);
    else {
      try {
        return placeAt(mkdtempSync(prefix));
      } catch (error) {
        tried.push(`${base}: ${systemReason(error)}`);
      }
    }
  }
  return problem('no-private-directory', `no place for the control socket of host ${host} was found`, {
    detail: tried.join('\n'),
    hint: 'Set TMPDIR to a directory with a short path of letters and digits that you may write to.',
    host,
  });
}

function placeAt(directory: string): Place {
  const path = (name: string) => join(directory, name);
  const links = new Map<string, string>();
  return {
    directory,
    path,
    write: (name, content) => {
      writeFileSync(path(name), content, { mode: 0o600 });
      return path(name);
    },
    link: (name, file) => {
      rmSync(path(name), { force: true });
      symlinkSync(file, path(name));
      links.set(path(name), file);
      return path(name);
    },
    named: (text) => [...links].reduce((changed, [name, file]) => changed.replaceAll(name, file), text),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
