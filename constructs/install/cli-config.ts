import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';

/** Where Terraform reads its own settings from; the file need not exist. */
export function cliConfigFile(environment: NodeJS.ProcessEnv = process.env): string {
  return (
    environment['TF_CLI_CONFIG_FILE'] ||
    environment['TERRAFORM_CONFIG'] ||
    path.join(homedir(), '.terraformrc')
  );
}

/**
 * Whether the user's settings say themselves where providers come from. Terraform then no longer looks into `terraform.d/plugins`
 * of the folder it runs in.
 */
export function hidesImpliedMirrors(file: string): boolean {
  return existsSync(file) && /^\s*provider_installation\b/m.test(readFileSync(file, 'utf8'));
}
