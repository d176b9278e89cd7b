// What happens once: in one process, and by the keeper's book.
import { beforeEach, describe, expect, test } from 'vitest';
import { onceAlone, onceBy, type Once, OnceFailed, type Turn } from '../../../extproc/oidc/once.ts';
import { OnceKeeper } from '../../../extproc/oidc/once-keeper.ts';
import { settle } from '../resolver/clock.ts';
import { HandWorld } from './hand-world.ts';

let world: HandWorld;
let keeper: OnceKeeper;
beforeEach(() => {
  world = new HandWorld();
  keeper = new OnceKeeper(world);
});

/** A process that can die. */
class Asker {
  readonly #gone = new AbortController();
  readonly once: Once = onceBy((question) => this.#gone.signal.aborted ? Promise.reject(new Error('dead')) : keeper.answer(JSON.parse(JSON.stringify(question)), this.#gone.signal));
  readonly ask = (question: unknown): Promise<unknown> => keeper.answer(question, this.#gone.signal);
  die(): void { this.#gone.abort(); }
}

/** Something to do that ends when told. */
class Work {
  runs = 0;
  #end: ((text: string) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  readonly compute = (): Promise<string> => new Promise((resolve, reject) => {
    this.runs++;
    this.#end = resolve;
    this.#fail = reject;
  });
  async end(text: string): Promise<void> { this.#end?.(text); await settle(); }
  async fail(error: Error): Promise<void> { this.#fail?.(error); await settle(); }
}

describe.each([
  ['in one process', () => { const once = onceAlone(world); return Array.from({ length: 40 }, () => once); }],
  ['in two', () => { const [a, b] = [new Asker(), new Asker()]; return Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? a : b).once); }],
  ['in forty', () => Array.from({ length: 40 }, () => new Asker().once)],
])('40 that want the same %s', (_, make) => {
  test('have it done once, and get the answer', async () => {
    const work = new Work();
    const all = make().map((once) => once.run('k', 0, work.compute));
    await settle();
    await work.end('done');
    expect(new Set(await Promise.all(all))).toEqual(new Set(['done']));
    expect(work.runs).toBe(1);
  });

  test('all get the failure, and the next one tries anew', async () => {
    const work = new Work();
    const onces = make();
    const all = onces.map((once) => once.run('k', 1000, work.compute).catch((error: unknown) => error));
    await settle();
    await work.fail(Object.assign(new RangeError('hunter2'), { reason: 'invalid_grant' }));
    const errors = await Promise.all(all);
    expect(errors.every((error) => error instanceof RangeError || (error instanceof OnceFailed && error.reason === 'invalid_grant' && !error.message.includes('hunter2')))).toBe(true);
    expect(await onces[0]?.run('k', 0, async () => 'anew')).toBe('anew');
    expect(work.runs).toBe(1);
  });

  test('have it kept for as long as it is good, not longer', async () => {
    const onces = make();
    expect(await onces[0]?.run('k', 1000, async () => 'first')).toBe('first');
    await world.pass(999);
    expect(await onces[1]?.run('k', 1000, async () => 'second')).toBe('first');
    await world.pass(1);
    expect(await onces[2]?.run('k', 1000, async () => 'second')).toBe('second');
  });

  test('of which one claims it, until it is over', async () => {
    const onces = make();
    const claims = async (): Promise<number> => (await Promise.all(onces.map((once) => once.claim('state', 1000)))).filter(Boolean).length;
    const known = (): Promise<boolean[]> => Promise.all(onces.map((once) => once.claimed('state')));
    expect(new Set(await known())).toEqual(new Set([false]));
    expect(await claims()).toBe(1);
    expect(new Set(await known())).toEqual(new Set([true]));
    await world.pass(999);
    expect(await claims()).toBe(0);
    await world.pass(1);
    expect(await claims()).toBe(1);
  });
});

describe('the turn', () => {
  test('passes on when the one whose it is dies', async () => {
    const [first, second, third] = [new Asker(), new Asker(), new Asker()];
    const [lost, work] = [new Work(), new Work()];
    first.once.run('k', 0, lost.compute).catch(() => undefined);
    await settle();
    const rest = [second.once.run('k', 0, work.compute), third.once.run('k', 0, work.compute)];
    await settle();
    expect([lost.runs, work.runs]).toEqual([1, 0]);
    first.die();
    await settle();
    expect(work.runs).toBe(1);
    await work.end('done');
    expect(await Promise.all(rest)).toEqual(['done', 'done']);
    expect(world.timers).toBe(0);
  });

  test('passes over those that died while they waited', async () => {
    const askers = Array.from({ length: 5 }, () => new Asker());
    const works = askers.map(() => new Work());
    const all = [];
    for (const [i, asker] of askers.entries()) {
      all.push(asker.once.run('k', 0, works[i]?.compute ?? (async () => '')).catch(() => 'dead'));
      await settle();
    }
    for (const i of [1, 2, 3, 0]) askers[i]?.die();
    await settle();
    expect(works.map(({ runs }) => runs)).toEqual([1, 0, 0, 0, 1]);
    await works[4]?.end('done');
    expect(await all[4]).toBe('done');
  });

  test('is free again when all that wanted it died', async () => {
    const first = new Asker();
    first.once.run('k', 0, new Work().compute).catch(() => undefined);
    await settle();
    first.die();
    expect(await new Asker().once.run('k', 0, async () => 'anew')).toBe('anew');
  });

  test('passes on after a minute; whoever was too slow changes nothing any more', async () => {
    const [slow, next] = [new Asker(), new Asker()];
    const [late, work] = [new Work(), new Work()];
    const slowly = slow.once.run('k', 1000, late.compute);
    await settle();
    const waits = next.once.run('k', 1000, work.compute);
    await world.pass(59_999);
    expect(work.runs).toBe(0);
    await world.pass(1);
    expect(work.runs).toBe(1);
    await late.end('stale');
    expect(await slowly).toBe('stale');
    await work.end('good');
    expect(await waits).toBe('good');
    expect(await new Asker().once.run('k', 0, async () => 'anew')).toBe('good');
  });

  test('of one key is not that of another', async () => {
    const asker = new Asker();
    const works = [new Work(), new Work()];
    const all = works.map((work, i) => asker.once.run(`k${i}`, 0, work.compute));
    await settle();
    await works[1]?.end('b');
    await works[0]?.end('a');
    expect(await Promise.all(all)).toEqual(['a', 'b']);
  });

  test('cannot be ended by another process', async () => {
    const [own, other] = [new Asker(), new Asker()];
    const { turn } = await own.ask({ once: 'join', key: 'k' }) as Extract<Turn, { kind: 'yours' }>;
    expect(await other.ask({ once: 'done', key: 'k', turn, text: 'forged', keepMs: 1000 })).toBe(false);
    expect(await other.ask({ once: 'failed', key: 'k', turn, reason: 'forged' })).toBe(false);
    expect(await own.ask({ once: 'done', key: 'k', turn, text: 'true', keepMs: 1000 })).toBe(true);
    expect(await other.once.run('k', 0, async () => 'anew')).toBe('true');
  });
});

describe('the keeper', () => {
  test.each<[string, unknown]>([
    ['nothing', undefined], ['text', 'join'], ['another question', { once: 'steal', key: 'k' }], ['no key', { once: 'join' }], ['an empty key', { once: 'join', key: '' }], ['a key of megabytes', { once: 'join', key: 'k'.repeat(1025) }],
    ['an answer of megabytes', { once: 'done', key: 'k', turn: 1, text: 'x'.repeat(1_048_577), keepMs: 1 }], ['an answer to keep for ever', { once: 'done', key: 'k', turn: 1, text: 'x', keepMs: Infinity }], ['more than was asked', { once: 'claim', key: 'k', ttlMs: 1, more: 1 }],
  ])('refuses %s', async (_, question) => { await expect(keeper.answer(question, new AbortController().signal)).rejects.toThrow(); });

  test('has room for so much: what was kept first goes first', async () => {
    const { once } = new Asker();
    for (let i = 0; i < 40; i++) await once.run(`k${i}`, 60_000, async () => 'x'.repeat(1_000_000));
    expect(await once.run('k39', 0, async () => 'anew')).toHaveLength(1_000_000);
    expect(await once.run('k0', 0, async () => 'anew')).toBe('anew');
  });

  test('has room for so many under way: one more is refused, and nothing else is', async () => {
    const { ask } = new Asker();
    for (let i = 0; i < 10_000; i++) await ask({ once: 'join', key: `k${i}` });
    await expect(ask({ once: 'join', key: 'more' })).rejects.toThrow('too much under way');
    expect(await ask({ once: 'claim', key: 'k', ttlMs: 1 })).toBe(true);
  });

  test('does not warn of listeners, however much one process wants', async () => {
    const warnings: unknown[] = [];
    const listen = (warning: unknown): void => { warnings.push(warning); };
    process.on('warning', listen);
    const { ask } = new Asker();
    for (let i = 0; i < 100; i++) await ask({ once: 'join', key: `k${i}` });
    await settle();
    process.off('warning', listen);
    expect(warnings).toEqual([]);
  });

  test('forgets claims that are the oldest of a hundred thousand, not newer ones', async () => {
    const { once } = new Asker();
    for (let i = 0; i < 100_001; i++) await once.claim(`c${i}`, 3_600_000);
    expect(await once.claim('c100000', 1)).toBe(false);
    expect(await once.claim('c1', 1)).toBe(false);
    expect(await once.claim('c0', 1)).toBe(true);
  });
});

test('who cannot ask fails, and does not do it on its own', async () => {
  const work = new Work();
  await expect(onceBy(() => Promise.reject(new Error('gone'))).run('k', 0, work.compute)).rejects.toThrow('gone');
  expect(work.runs).toBe(0);
});

test('answers that one policy has in masses do not have those of another forgotten', async () => {
  const once = onceAlone(world);
  await once.run('refresh:quiet:a', 60_000, () => Promise.resolve('kept'));
  for (let i = 0; i < 100; i++) await once.run(`refresh:loud:${i}`, 60_000, () => Promise.resolve('x'.repeat(1_000_000)));
  for (let i = 0; i < 11_000; i++) await once.run(`refresh:many:${i}`, 60_000, () => Promise.resolve(''));
  expect(await once.run('refresh:quiet:a', 60_000, () => Promise.resolve('asked again'))).toBe('kept');
  expect(await once.run('refresh:loud:0', 60_000, () => Promise.resolve('asked again'))).toBe('asked again');
});
