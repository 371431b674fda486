/** The shape of the generated service definitions, and of what implements them. */
interface MessageCodec<Encoded, Decoded> {
  encode(message: Encoded): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Decoded;
}

interface MethodDefinition {
  readonly name: string;
  readonly requestType: MessageCodec<never, unknown>;
  readonly requestStream: boolean;
  readonly responseType: MessageCodec<never, unknown>;
  readonly responseStream: boolean;
}

export interface ServiceDefinition {
  readonly fullName: string;
  readonly methods: Readonly<Record<string, MethodDefinition>>;
}

type RequestOf<Method> = Method extends { requestType: { decode(bytes: Uint8Array): infer R } } ? R : never;
type ResponseOf<Method> = Method extends { responseType: { decode(bytes: Uint8Array): infer R } } ? R : never;

export interface Call {
  /** Aborted when the client gives the call up or its connection ends. */
  readonly signal: AbortSignal;
  /** Calls back once the answer has left, or cannot any more. */
  readonly onClosed: (action: () => void) => void;
}

/**
 * A handler for each method. A unary method answers with its response. A streaming one answers with the
 * messages to send at once; the stream then stays open until the client ends it, and what the client
 * sends on it is read and dropped: nothing here has more to say on one.
 */
export type Handlers<Service extends ServiceDefinition> = {
  readonly [Name in keyof Service['methods']]: Service['methods'][Name] extends { responseStream: true }
    ? () => readonly ResponseOf<Service['methods'][Name]>[]
    : (
        request: RequestOf<Service['methods'][Name]>,
        call: Call,
      ) => Promise<ResponseOf<Service['methods'][Name]>>;
};

/** A method ready to serve: bytes in, bytes out. */
export type Route =
  | { readonly kind: 'unary'; readonly answer: (request: Uint8Array, call: Call) => Promise<Uint8Array> }
  | {
      readonly kind: 'open-stream';
      readonly greetings: () => readonly Uint8Array[];
      /** Both sides talk: the stream ends when the client ends its half. Else the client listens until it goes. */
      readonly endsWithClient: boolean;
    };

export type Routes = ReadonlyMap<string, Route>;

/** The paths `/package.Service/Method` of one service. */
export function routesOf<Service extends ServiceDefinition>(
  service: Service,
  handlers: Handlers<Service>,
): [string, Route][] {
  return Object.entries(service.methods).map(([key, method]) => {
    const requestType = method.requestType as MessageCodec<unknown, unknown>;
    const responseType = method.responseType as MessageCodec<unknown, unknown>;
    const handler = handlers[key] as (request?: unknown, call?: Call) => unknown;
    const encode = (message: unknown): Uint8Array => responseType.encode(message).finish();
    const route: Route = method.responseStream
      ? {
          kind: 'open-stream',
          greetings: () => (handler() as readonly unknown[]).map(encode),
          endsWithClient: method.requestStream,
        }
      : {
          kind: 'unary',
          answer: async (bytes, call) => encode(await handler(requestType.decode(bytes), call)),
        };
    return [`/${service.fullName}/${method.name}`, route];
  });
}
