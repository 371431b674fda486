import type { Result } from '../model/diagnostic.ts';
import type { Definitions } from '../spec/definitions.ts';
import { readDefinitions } from '../spec/yaml/read.ts';
import { readDefinitionFiles } from './files.ts';

/** The definitions of one fleet from files and directories, or everything that is wrong with them. */
export function loadDefinitions(paths: readonly string[]): Result<Definitions> {
  const files = readDefinitionFiles(paths);
  return files.ok ? readDefinitions(files.value) : files;
}
