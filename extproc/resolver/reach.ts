// Which of several addresses takes connections. ORIGINAL_DST dials one and no other, so Happy Eyeballs (RFC 8305) is done here, once, before the answer:
// the first request to a host with several addresses waits for a TCP handshake, and none fails on a dead address. To learn from failed requests alone
// would cost each client a failed request, after Envoy's whole connect timeout; and would need every response to come by here.
import { connect as dial } from 'node:net';
import type { World } from '../world.ts';
import { type Fate, choose } from './choose.ts';
import { Recent } from './recent.ts';

/** Whether `address` takes a TCP connection at `port`. Never rejects; the signal ends it early. */
export type Connect = (address: string, port: number, signal: AbortSignal) => Promise<boolean>;

export const connect: Connect = (address, port, signal) => new Promise((resolve) => {
  const socket = dial({ host: address, port, signal });
  socket.once('connect', () => { resolve(true); socket.destroy(); });
  socket.on('error', () => resolve(false));
});

export type Reached =
  | { readonly kind: 'target'; readonly target: string; readonly validForMs: number }
  | { readonly kind: 'unreachable' };

export interface ReachLimits { readonly targets: number; readonly races: number }
export const defaultReachLimits: ReachLimits = { targets: 20_000, races: 128 };

interface Known { readonly fate: 'good' | 'doubtful' | 'bad'; readonly until: number; readonly forgotten: number }

const ATTEMPT_DELAY_MS = 250;     // RFC 8305 section 5
const ATTEMPT_TIMEOUT_MS = 2_000;
const GOOD_MS = 30_000;           // an address that died is noticed within this
const WAS_GOOD_MS = 600_000;      // it is taken once more, and tried again meanwhile
const BAD_MS = 10_000;

export class Reach {
  readonly #world: Pick<World, 'monotonic' | 'after'>;
  readonly #connect: Connect;
  readonly #limits: ReachLimits;
  readonly #known: Recent<Known>;
  readonly #races = new Map<string, Promise<string | undefined>>();

  constructor(world: Pick<World, 'monotonic' | 'after'>, dialer: Connect = connect, limits: ReachLimits = defaultReachLimits) {
    this.#world = world;
    this.#connect = dialer;
    this.#limits = limits;
    this.#known = new Recent(limits.targets);
  }

  get load(): { readonly targets: number; readonly races: number } { return { targets: this.#known.size, races: this.#races.size }; }

  /** Envoy could not connect to what we chose: for a while another address is chosen where there is one. */
  failed(target: string): void { this.#learn(target, 'doubtful'); }

  /** One of the addresses, as `address:port`. `probe` false: the first that is not known to fail. */
  async target(addresses: readonly string[], port: number, probe: boolean): Promise<Reached> {
    const targets = addresses.map((address) => targetOf(address, port));
    const choice = choose(targets, (target) => this.#fate(target, probe));
    switch (choice.kind) {
      case 'none': return { kind: 'unreachable' };
      case 'take':
        if (choice.recheck) void this.#race(addresses, port);
        return this.#reached(choice.target, targets.length > 1);
      case 'try': {
        const race = probe ? this.#race(choice.targets.map((target) => addresses[targets.indexOf(target)] ?? ''), port) : undefined;
        const winner = race === undefined ? choice.targets[0] : await race;
        return winner === undefined ? { kind: 'unreachable' } : this.#reached(winner, true);
      }
    }
  }

  #reached(target: string, oneOfSeveral: boolean): Reached {
    const left = (this.#known.get(target)?.until ?? 0) - this.#world.monotonic();
    return { kind: 'target', target, validForMs: oneOfSeveral ? Math.max(0, left) : Infinity };
  }

  #fate(target: string, probe: boolean): Fate {
    const known = this.#known.get(target);
    const now = this.#world.monotonic();
    if (known === undefined || now >= known.forgotten) return probe ? 'unknown' : 'good';
    if (known.fate !== 'good') return known.fate;
    return now < known.until || !probe ? 'good' : 'was_good';
  }

  #learn(target: string, fate: Known['fate']): void {
    const now = this.#world.monotonic();
    this.#known.set(target, fate === 'good' ? { fate, until: now + GOOD_MS, forgotten: now + WAS_GOOD_MS } : { fate, until: now + BAD_MS, forgotten: now + BAD_MS });
  }

  /** One race for the same field at one time. undefined: as many races are on as may be. */
  #race(addresses: readonly string[], port: number): Promise<string | undefined> | undefined {
    const key = `${port} ${addresses.join(' ')}`;
    const running = this.#races.get(key);
    if (running !== undefined || this.#races.size >= this.#limits.races) return running;
    const race = this.#run(addresses, port).finally(() => this.#races.delete(key));
    this.#races.set(key, race);
    return race;
  }

  /** The next attempt begins when the last one fails, or 250 ms after it began. The first connection wins; the others are called off. */
  #run(addresses: readonly string[], port: number): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const over = new AbortController();
    let next = 0;
    let open = 0;
    let cancelNext = (): void => undefined;
    const finish = (winner: string | undefined): void => {
      over.abort();
      cancelNext();
      resolve(winner);
    };
    const start = (): void => {
      cancelNext();
      const address = addresses[next++];
      if (address === undefined) { if (open === 0) finish(undefined); return; }
      open++;
      const timeout = new AbortController();
      const cancelTimeout = this.#world.after(ATTEMPT_TIMEOUT_MS, () => timeout.abort());
      void this.#connect(address, port, AbortSignal.any([over.signal, timeout.signal])).then((connected) => {
        open--;
        cancelTimeout();
        if (over.signal.aborted) return;
        this.#learn(targetOf(address, port), connected ? 'good' : 'bad');
        if (connected) finish(targetOf(address, port));
        else start();
      });
      cancelNext = this.#world.after(ATTEMPT_DELAY_MS, start);
    };
    start();
    return promise;
  }
}

/** As Envoy reads it. */
export function targetOf(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
