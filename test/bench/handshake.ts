import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const cookie = 'd602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2';

/** Milliseconds from the start of the provider, as Terraform starts it, to the line that says where it listens. */
export async function handshakes(binary: string, runs: number): Promise<readonly number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'stockade-handshake-'));
  try {
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
    const request =
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp521r1 -nodes -days 2 -subj /CN=localhost';
    execFileSync('openssl', [...request.split(' '), '-keyout', key, '-out', certificate], {
      stdio: 'ignore',
    });
    const environment = {
      PATH: process.env['PATH'],
      TMPDIR: folder,
      TF_PLUGIN_MAGIC_COOKIE: cookie,
      PLUGIN_PROTOCOL_VERSIONS: '6',
      PLUGIN_CLIENT_CERT: readFileSync(certificate, 'utf8'),
    };
    const times: number[] = [];
    for (let run = 0; run < runs; run++) times.push(await handshake(binary, environment));
    return times;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function handshake(binary: string, environment: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(binary, [], { env: environment, stdio: ['ignore', 'pipe', 'ignore'] });
    let took: number | undefined;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (took !== undefined || !text.includes('\n')) return;
      took = performance.now() - start;
      child.kill('SIGTERM');
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (took === undefined)
        reject(new Error(`the provider ended without a handshake (${code ?? 'signal'})`));
      else resolve(took);
    });
  });
}
