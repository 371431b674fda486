import type { PrivateState } from '../types.ts';

/**
 * Private state travels and is stored as the bytes of a JSON object; empty for `{}`.
 * @throws SyntaxError where the stored bytes are not a JSON object.
 */
export function decodePrivate(bytes: Uint8Array | undefined): PrivateState {
  if (bytes === undefined || bytes.length === 0) return {};
  const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SyntaxError('the private state of this object is not a JSON object');
  }
  return value as PrivateState;
}

export function encodePrivate(state: PrivateState | undefined): Buffer {
  return state === undefined || Object.keys(state).length === 0
    ? Buffer.alloc(0)
    : Buffer.from(JSON.stringify(state));
}
