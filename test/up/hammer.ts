// Requests in the background, one after the other and without a pause, for as long as something else is changed.
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../envoy/answer.ts';

export interface Hammered { readonly path: string; readonly headers?: Record<string, string> }

export class Hammer<Name extends string = string> {
  readonly #counts = new Map<Name, Map<number, number>>();
  #stopping = false;
  readonly #done: Promise<void>;

  /** `address` is asked anew each time: a listener may come back somewhere else. */
  constructor(address: () => string, requests: Readonly<Record<Name, Hammered>>) { this.#done = this.#run(address, Object.entries(requests) as [Name, Hammered][]); }

  /** Which statuses a request got, sorted; 0 is no answer at all. */
  statuses(name: Name): number[] { return [...(this.#counts.get(name)?.keys() ?? [])].sort(); }
  /** How many answers it got. */
  count(name: Name): number { return [...(this.#counts.get(name)?.values() ?? [])].reduce((sum, count) => sum + count, 0); }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#done;
  }

  async #run(address: () => string, requests: readonly [Name, Hammered][]): Promise<void> {
    while (!this.#stopping) {
      for (const [name, { path, headers = {} }] of requests) {
        const status = await ask(address(), path, { headers }).then((answer) => answer.status, () => 0);
        const counts = this.#counts.get(name) ?? new Map<number, number>();
        this.#counts.set(name, counts.set(status, (counts.get(status) ?? 0) + 1));
      }
      await sleep(2);
    }
  }
}
