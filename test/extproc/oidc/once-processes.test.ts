// What happens once over real processes.
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OnceKeeper } from '../../../extproc/oidc/once-keeper.ts';
import { realWorld } from '../../../extproc/world.ts';

interface Said { readonly kind: string; readonly pid: number; readonly key?: string; readonly text?: string; readonly reason?: string }
let said: Said[];
let keeper: OnceKeeper;
let workers: ChildProcess[];
const saying = (kind: string, key?: string): Said[] => said.filter((each) => each.kind === kind && (key === undefined || each.key === key));

function work(): ChildProcess {
  const child = fork(join(import.meta.dirname, 'once-worker.ts'));
  const gone = new AbortController();
  child.once('exit', () => { gone.abort(); });
  child.on('error', () => undefined);
  child.on('message', async (message: { kind: string; number?: number; question?: unknown }) => {
    if (message.kind !== 'ask') { said.push({ ...message, pid: child.pid ?? 0 }); return; }
    const value = await keeper.answer(message.question, gone.signal);
    if (child.connected) child.send({ kind: 'answer', number: message.number, value });
  });
  return child;
}

beforeEach(async () => {
  said = [];
  keeper = new OnceKeeper(realWorld);
  workers = [work(), work()];
  await expect.poll(() => saying('ready').length, { timeout: 20_000 }).toBe(2);
});
afterEach(() => { for (const worker of workers) worker.kill('SIGKILL'); });

test('40 that want the same in two processes have it done once, and all get the answer', async () => {
  for (const worker of workers) worker.send({ kind: 'run', key: 'k', times: 20, ms: 300 });
  await expect.poll(() => saying('got').length, { timeout: 20_000 }).toBe(40);
  expect(saying('computes')).toHaveLength(1);
  expect(new Set(saying('got').map(({ text }) => text))).toEqual(new Set([`by ${saying('computes')[0]?.pid}`]));
  expect(new Set(saying('got').map(({ pid }) => pid)).size).toBe(2);
});

test('all 40 get the failure, without its words', async () => {
  for (const worker of workers) worker.send({ kind: 'run', key: 'k', times: 20, ms: 300, fail: true });
  await expect.poll(() => saying('failed').length, { timeout: 20_000 }).toBe(40);
  expect(saying('computes')).toHaveLength(1);
  const computed = saying('computes')[0]?.pid;
  expect(new Set(saying('failed').filter(({ pid }) => pid !== computed).map(({ reason }) => reason))).toEqual(new Set(['refused']));
});

test('a process that is killed in the middle passes the turn to one that waits', async () => {
  const [victim, heir] = workers;
  victim?.send({ kind: 'run', key: 'k', times: 1, ms: 600_000 });
  await expect.poll(() => saying('computes').length).toBe(1);
  heir?.send({ kind: 'run', key: 'k', times: 20, ms: 0 });
  heir?.send({ kind: 'run', key: 'other', times: 1, ms: 0 });
  // What was sent after it has been answered: it waits.
  await expect.poll(() => saying('got', 'other').length).toBe(1);
  expect(saying('computes', 'k')).toHaveLength(1);
  victim?.kill('SIGKILL');
  await expect.poll(() => saying('got', 'k').length, { timeout: 20_000 }).toBe(20);
  expect(saying('computes', 'k').map(({ pid }) => pid)).toEqual([victim?.pid, heir?.pid]);
});
