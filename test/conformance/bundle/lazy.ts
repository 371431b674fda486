import { Client } from 'ssh2';

globalThis.lazyModuleEvaluated = true;

export const sshConnect = typeof Client.prototype.connect;
