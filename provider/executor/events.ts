import type { Address } from '../model/address.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { OperationResult } from '../model/operation.ts';

/** What happens, as data: views print it, the events file stores it, nothing here prints. `at` is RFC 3339. */
export type ExecutorEvent =
  | { readonly type: 'connected'; readonly at: string; readonly host: string; readonly milliseconds: number }
  | {
      readonly type: 'batch-started';
      readonly at: string;
      readonly host: string;
      readonly batch: string;
      readonly kind: 'read' | 'write';
      readonly operations: number;
    }
  | {
      readonly type: 'operation-finished';
      readonly at: string;
      readonly host: string;
      readonly batch: string;
      readonly address: Address;
      readonly result: OperationResult;
    }
  | {
      readonly type: 'batch-finished';
      readonly at: string;
      readonly host: string;
      readonly batch: string;
      readonly kind: 'read' | 'write';
      readonly milliseconds: number;
      readonly bytesSent: number;
      readonly bytesReceived: number;
    }
  | {
      readonly type: 'host-failed';
      readonly at: string;
      readonly host: string;
      readonly diagnostics: readonly Diagnostic[];
    };
