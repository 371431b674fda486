/** The gRPC status codes this server answers with. */
export const GrpcCode = {
  OK: 0,
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
} as const;
export type GrpcCode = (typeof GrpcCode)[keyof typeof GrpcCode];

/** A failure of the call itself. What goes wrong inside a provider is a diagnostic in the response instead. */
export class GrpcError extends Error {
  override readonly name = 'GrpcError';
  constructor(
    readonly code: GrpcCode,
    message: string,
  ) {
    super(message);
  }
}

/** `grpc-message` is percent-encoded outside printable ASCII. */
export function encodeGrpcMessage(message: string): string {
  return encodeURIComponent(Buffer.from(message.slice(0, 2000)).toString()).replaceAll('%20', ' ');
}
