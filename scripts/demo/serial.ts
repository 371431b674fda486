import { sh } from '../../provider/model/shell.ts';
import type { LabHost } from '../../test/lab/lab.ts';

/** Looks at a guest's serial console until a line holds `banner`; `onLine` gets each complete line once. */
export async function watchSerial(
  host: LabHost,
  banner: string,
  onLine: (line: string) => void,
  timeoutSeconds = 60,
): Promise<boolean> {
  const deadline = Date.now() + timeoutSeconds * 1000;
  let told = 0;
  for (;;) {
    const lines = await completeLines(host);
    for (const line of lines.slice(told)) onLine(line);
    told = Math.max(told, lines.length);
    if (lines.some((line) => line.includes(banner))) return true;
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Of the log's first 64 KiB: a guest may print without end. */
async function completeLines(host: LabHost): Promise<readonly string[]> {
  const { stdout } = await host.exec(
    sh`cd /var/lib/stockade/guests/web1/log && cat -- $(ls -tr serial.* 2>/dev/null) </dev/null | head -c 65536`,
  );
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => line.replace(/\r+$/, ''));
}
