/**
 * `npm run demo`: one throw-away host, `cdktf deploy` of examples/quickstart on it, the guest's boot, the proof of its isolation,
 * a second plan without changes, destroy, and a check that nothing is left. Ends with 1 and a reason where any of that fails.
 */
import { printable } from '../provider/model/printable.ts';
import { demonstrate, DemoFailure } from './demo/steps.ts';
import { Output, seconds } from './demo/output.ts';

const started = performance.now();
const output = new Output((text) => process.stdout.write(text), process.stdout.isTTY);

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    process.stdout.write(`\ndemo: interrupted; taking the host and all it runs away\n`);
    process.exit(130);
  });
}

try {
  const { cdktfStarts } = await demonstrate(output);
  process.stdout.write(
    `\nAll of it worked, in ${seconds(performance.now() - started)} (cdktf was started ${cdktfStarts} times).\n`,
  );
} catch (error) {
  process.stdout.write(`\ndemo: ${reason(error)}\n`);
  process.exitCode = 1;
}

/** What the lab and the steps throw says enough; anything else is a bug and shows where. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isExpected = error instanceof DemoFailure || error.constructor === Error;
  return isExpected ? printable(error.message) : (error.stack ?? error.message);
}
