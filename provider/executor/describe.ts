import { assertNever } from '../model/assert.ts';
import type { ExecutorEvent } from './events.ts';

/** One event as a short line for people. It may hold what a host said: escape it before it reaches a terminal. */
export function describeEvent(event: ExecutorEvent): string {
  switch (event.type) {
    case 'connected':
      return `${event.host}: connected in ${event.milliseconds} ms`;
    case 'batch-started':
      return event.kind === 'read'
        ? `${event.host}: reading`
        : `${event.host}: ${event.operations} ${event.operations === 1 ? 'step' : 'steps'} to do`;
    case 'operation-finished': {
      const { id, status, code, message, milliseconds } = event.result;
      const why = [code, message].filter((part) => part !== undefined).join(': ');
      return `${event.host}: ${status} ${id}${why === '' ? '' : ` (${why})`}, ${milliseconds} ms`;
    }
    case 'batch-finished':
      return `${event.host}: ${event.kind === 'read' ? 'read' : 'done'} in ${event.milliseconds} ms, ${event.bytesSent} bytes sent, ${event.bytesReceived} received`;
    case 'host-failed':
      return event.diagnostics.map(({ code, summary }) => `${event.host}: ${code}: ${summary}`).join('; ');
    default:
      return assertNever(event);
  }
}
