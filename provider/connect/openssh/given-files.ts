import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { problem, type Diagnostic } from '../../model/diagnostic.ts';
import { identityUnreadable } from '../diagnostics.ts';
import { expandHome, systemReason } from '../paths.ts';
import type { OpensshTarget } from '../target.ts';

const maximumBytes = 1024 * 1024;

/** What is wrong with the files the target names for the program, which would pass over those that are missing. */
export async function fileFaults({
  host,
  certificateFile,
  configFile,
}: OpensshTarget): Promise<readonly Diagnostic[]> {
  const [certificate, config] = await Promise.all([
    whyUnreadable(certificateFile),
    whyUnreadable(configFile),
  ]);
  return [
    ...(certificate === undefined
      ? []
      : [
          identityUnreadable(
            host,
            `certificate ${certificateFile}`,
            certificate,
            'Name a certificate (`…-cert.pub`) that you may read.',
          ),
        ]),
    ...(config === undefined
      ? []
      : [
          problem('ssh-config-unreadable', `${configFile} cannot be read: ${config}`, {
            hint: "Name a file in ssh_config(5)'s format that you may read.",
            host,
          }),
        ]),
  ];
}

async function whyUnreadable(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    const status = await stat(resolve(expandHome(file)));
    if (status.isDirectory()) return 'it is a directory';
    return status.size > maximumBytes ? `it has ${status.size} bytes` : undefined;
  } catch (error) {
    return systemReason(error);
  }
}

/** When a certificate holds and for whom, as ssh-keygen reads it: hosts do not say why they refuse one. */
export async function certificateNotes(file: string): Promise<readonly string[]> {
  const text = await new Promise<string>((done) => {
    execFile('ssh-keygen', ['-L', '-f', resolve(expandHome(file))], { timeout: 5000 }, (error, stdout) =>
      done(error === null ? stdout : ''),
    );
  });
  const valid = /^\s*Valid: (.{1,200})$/m.exec(text)?.[1];
  const [, principals] = /^\s*Principals:[^\n]*\n((?:\s+\S+\n)*?)\s*Critical Options:/m.exec(text) ?? [];
  if (valid === undefined) return [`${file} is not a certificate that ssh-keygen can read.`];
  const names = (principals ?? '').split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
  return [
    `Certificate ${file} is valid ${valid}, for ${names.length === 0 ? 'any user' : `the users ${names.slice(0, 20).join(', ')}`}.`,
  ];
}
