// Gives memory back when nothing happens: V8 keeps what the last big change needed, and there may never be another.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Quiet time before it; a collection stops the process for some 50 ms. */
const QUIET_MS = 2_000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: { type: 'major'; flavor: 'last-resort'; execution: 'sync' }) => void;

let timer: NodeJS.Timeout | undefined;

/** Call it after work; the collection comes once no call has come for a while. Does not keep the process alive. */
export function releaseMemoryWhenIdle(): void {
  clearTimeout(timer);
  timer = setTimeout(() => collect({ type: 'major', flavor: 'last-resort', execution: 'sync' }), QUIET_MS).unref();
}
