// The process in charge keeps count of what workers do once (once.ts).
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { World } from '../world.ts';
import type { Turn } from './once.ts';

const key = z.string().min(1).max(1_024);
const milliseconds = z.number().min(0).max(86_400_000);
const Question = z.discriminatedUnion('once', [
  z.strictObject({ once: z.literal('join'), key }),
  z.strictObject({ once: z.literal('done'), key, turn: z.int(), text: z.string().max(1_048_576), keepMs: milliseconds }),
  z.strictObject({ once: z.literal('failed'), key, turn: z.int(), reason: z.string().max(64) }),
  z.strictObject({ once: z.literal('claim'), key, ttlMs: milliseconds }),
  z.strictObject({ once: z.literal('claimed'), key }),
]);

interface Waiting { readonly signal: AbortSignal; readonly resolve: (turn: Turn) => void }
interface UnderWay {
  turn: number;
  /** Whose turn it is. */
  by: AbortSignal;
  readonly waiting: Waiting[];
  callOff: () => void;
}
interface Kept { readonly text: string; readonly until: number }

const MAX_UNDER_WAY = 10_000;
const MAX_WAITING = 50_000;
const MAX_KEPT = 10_000;
const MAX_KEPT_CHARACTERS = 32 * 1_048_576;
/** What one of them costs beside its text, roughly. */
const ENTRY = 256;
const MAX_CLAIMS = 100_000;
/** Longer than the provider's slowest answer with its retries. A worker that hangs must not hold up the others for ever. */
const TURN_MS = 60_000;

export class OnceKeeper {
  readonly #world: Pick<World, 'monotonic' | 'after'>;
  readonly #underWay = new Map<string, UnderWay>();
  readonly #kept = new Map<string, Kept>();
  readonly #claims = new Map<string, number>();
  /** What each worker computes or waits for, so that there is one listener for each. */
  readonly #watched = new WeakSet<AbortSignal>();
  #waiting = 0;
  #keptCharacters = 0;
  /** Characters kept, by whose they are. */
  readonly #shares = new Map<string, number>();
  #turns = 0;

  constructor(world: Pick<World, 'monotonic' | 'after'>) { this.#world = world; }

  /** `signal` aborts when the one that asks is gone. Rejects what is not a question, and what is too much. */
  async answer(question: unknown, signal: AbortSignal): Promise<unknown> {
    const asked = Question.parse(question);
    switch (asked.once) {
      case 'join': return this.#join(asked.key, signal);
      case 'done': {
        const flight = this.#land(asked.key, asked.turn, signal);
        if (flight === undefined) return false;
        this.#keep(asked.key, asked.text, asked.keepMs);
        this.#tell(flight, { kind: 'done', text: asked.text });
        return true;
      }
      case 'failed': {
        const flight = this.#land(asked.key, asked.turn, signal);
        if (flight !== undefined) this.#tell(flight, { kind: 'failed', reason: asked.reason });
        return flight !== undefined;
      }
      case 'claim': return this.#claim(asked.key, asked.ttlMs);
      case 'claimed': return this.#holds(digestOf(asked.key));
    }
  }

  #join(name: string, signal: AbortSignal): Promise<Turn> | Turn {
    const kept = this.#kept.get(name);
    if (kept !== undefined && kept.until > this.#world.monotonic()) return { kind: 'done', text: kept.text };
    this.#watch(signal);
    const flight = this.#underWay.get(name);
    if (flight === undefined) {
      if (this.#underWay.size >= MAX_UNDER_WAY) throw new Error('too much under way');
      const begun: UnderWay = { turn: 0, by: signal, waiting: [], callOff: () => undefined };
      this.#underWay.set(name, begun);
      return this.#give(name, begun, signal);
    }
    if (this.#waiting >= MAX_WAITING) throw new Error('too many wait');
    this.#waiting++;
    return new Promise((resolve) => { flight.waiting.push({ signal, resolve }); });
  }

  #give(name: string, flight: UnderWay, to: AbortSignal): Turn {
    flight.turn = ++this.#turns;
    flight.by = to;
    flight.callOff();
    flight.callOff = this.#world.after(TURN_MS, () => this.#pass(name, flight));
    return { kind: 'yours', turn: flight.turn };
  }

  /** To the next that waits and is still there. */
  #pass(name: string, flight: UnderWay): void {
    for (let next = flight.waiting.shift(); next !== undefined; next = flight.waiting.shift()) {
      this.#waiting--;
      if (next.signal.aborted) continue;
      next.resolve(this.#give(name, flight, next.signal));
      return;
    }
    flight.callOff();
    this.#underWay.delete(name);
  }

  /** Undefined: it was another's turn by now. */
  #land(name: string, turn: number, by: AbortSignal): UnderWay | undefined {
    const flight = this.#underWay.get(name);
    if (flight === undefined || flight.turn !== turn || flight.by !== by) return undefined;
    flight.callOff();
    this.#underWay.delete(name);
    return flight;
  }

  #tell(flight: UnderWay, turn: Turn): void {
    this.#waiting -= flight.waiting.length;
    for (const { resolve } of flight.waiting) resolve(turn);
  }

  #watch(signal: AbortSignal): void {
    if (this.#watched.has(signal)) return;
    this.#watched.add(signal);
    signal.addEventListener('abort', () => { for (const [name, flight] of [...this.#underWay]) if (flight.by === signal) this.#pass(name, flight); }, { once: true });
  }

  #keep(name: string, text: string, keepMs: number): void {
    const now = this.#world.monotonic();
    this.#forget(name);
    for (const [old, { until }] of this.#kept) if (until <= now) this.#forget(old);
    this.#kept.set(name, { text, until: now + keepMs });
    this.#weigh(name, text.length + ENTRY);
    while (this.#kept.size > MAX_KEPT || this.#keptCharacters > MAX_KEPT_CHARACTERS) this.#makeRoom();
  }

  /** The oldest goes of whoever has the most: one policy's provider, however much it says, does not have the answers of others forgotten. */
  #makeRoom(): void {
    const [most] = [...this.#shares].reduce((a, b) => (b[1] > a[1] ? b : a));
    for (const name of this.#kept.keys()) {
      if (ownerOf(name) !== most) continue;
      this.#forget(name);
      return;
    }
  }

  #weigh(name: string, characters: number): void {
    const owner = ownerOf(name);
    const share = (this.#shares.get(owner) ?? 0) + characters;
    this.#keptCharacters += characters;
    if (share > 0) this.#shares.set(owner, share); else this.#shares.delete(owner);
  }

  #forget(name: string): void {
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    this.#weigh(name, -kept.text.length - ENTRY);
    this.#kept.delete(name);
  }

  #claim(name: string, ttlMs: number): boolean {
    const digest = digestOf(name);
    if (this.#holds(digest)) return false;
    this.#claims.delete(digest);
    this.#claims.set(digest, this.#world.monotonic() + ttlMs);
    // The oldest goes. Refusing new ones would let whoever claims much keep all others out.
    if (this.#claims.size > MAX_CLAIMS) for (const oldest of this.#claims.keys()) { this.#claims.delete(oldest); break; }
    return true;
  }

  #holds(digest: string): boolean { return (this.#claims.get(digest) ?? -1) > this.#world.monotonic(); }
}

/** `refresh:<scope>:…`: all but the last part. */
function ownerOf(name: string): string { return name.slice(0, Math.max(0, name.lastIndexOf(':'))); }

/** Of one length, so that the bound in number is one in bytes. */
function digestOf(name: string): string { return createHash('sha256').update(name).digest('base64url'); }
