import { problem, type Diagnostic } from '../model/diagnostic.ts';
import type { Upload } from '../model/operation.ts';

/** What goes to the host's stdin: the script, then every upload with exactly as many bytes as announced. */
export interface Payload {
  readonly stream: AsyncIterable<Uint8Array>;
  /** Whether anything was asked of the stream: from then on the batch may have started. */
  readonly started: () => boolean;
  readonly bytesSent: () => number;
  /** Uploads that could not be read here. */
  readonly diagnostics: readonly Diagnostic[];
}

const fillerBytes = 65_536;

/**
 * A source that yields too little, too much or fails does not push the next upload out of place: it is cut or filled up to
 * its size. Its hash is wrong then, so the host refuses it.
 */
export function payloadOf(script: Uint8Array, uploads: readonly Upload[], onStart: () => void): Payload {
  const diagnostics: Diagnostic[] = [];
  let started = false;
  let bytesSent = 0;
  const report = (index: number, what: string) =>
    diagnostics.push(
      problem('upload-source', `upload ${index + 1} of ${uploads.length} could not be read: ${what}`, {
        hint: 'See whether the file changed or went away while it was sent, then try again.',
      }),
    );
  async function* stream(): AsyncGenerator<Uint8Array> {
    started = true;
    onStart();
    bytesSent += script.length;
    yield script;
    for (const [index, upload] of uploads.entries()) {
      for await (const piece of exactly(upload, (what) => report(index, what))) {
        bytesSent += piece.length;
        yield piece;
      }
    }
  }
  return { stream: stream(), started: () => started, bytesSent: () => bytesSent, diagnostics };
}

async function* exactly(upload: Upload, report: (what: string) => void): AsyncGenerator<Uint8Array> {
  let left = upload.bytes;
  try {
    for await (const piece of upload.open()) {
      const fitting = piece.subarray(0, left);
      left -= fitting.length;
      if (fitting.length > 0) yield fitting;
      if (fitting.length < piece.length) {
        report('it is longer than it was');
        break;
      }
    }
    if (left > 0) report('it is shorter than it was');
  } catch (error) {
    report(error instanceof Error ? error.message : String(error));
  }
  while (left > 0) {
    const filler = new Uint8Array(Math.min(left, fillerBytes));
    left -= filler.length;
    yield filler;
  }
}
