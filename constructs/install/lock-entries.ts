import type { LockedProvider } from '../../provider/tfplugin/packaging/lock-file.ts';

/**
 * The providers an existing lock file holds, as far as they are written the way Terraform writes them. Entries of other providers
 * stay as they were chosen; what cannot be read is left to `terraform init` to choose again.
 */
export function parseLockFile(text: string): readonly LockedProvider[] {
  return [...text.matchAll(/^provider "([^"\n]+)" \{\n([\s\S]*?)^\}$/gm)].flatMap(
    ([, source = '', body = '']) => {
      const [hostname, namespace, type, ...rest] = source.split('/');
      const version = setting(body, 'version');
      if (!hostname || !namespace || !type || rest.length > 0 || version === undefined) return [];
      const constraints = setting(body, 'constraints');
      const hashes = [...body.matchAll(/^ {4}"([^"\n]+)",$/gm)].map(([, hash = '']) => hash);
      return [
        { hostname, namespace, type, version, hashes, ...(constraints === undefined ? {} : { constraints }) },
      ];
    },
  );
}

function setting(body: string, name: string): string | undefined {
  return new RegExp(`^ {2}${name} += "([^"\n]*)"$`, 'm').exec(body)?.[1];
}
