// What the workers of one vm_id share: keyed values under compare-and-swap, queues, and metrics. It outlives every VM.
import { Status } from './abi.ts';
import { Metrics } from './metrics.ts';

/** A value with the number that a compare-and-swap must name. */
export interface Versioned {
  readonly value: Uint8Array;
  readonly cas: number;
}

/** A queue and who is told when something is put into it. */
interface Queue {
  readonly items: Uint8Array[];
  ready: () => void;
}

/** Hand one to several VMs and they are workers of one Envoy. There is no delete: the ABI has none. */
export class SharedData {
  /** Metrics go by their names alone: all workers' VMs count in the same ones. */
  readonly metrics = new Metrics();
  readonly #values = new Map<string, Versioned>();
  readonly #tokens = new Map<string, number>();
  readonly #queues = new Map<number, Queue>();
  #cas = 0;

  /** Keys now present, for assertions. */
  get keys(): string[] {
    return [...this.#values.keys()];
  }

  get(key: string): Versioned | undefined {
    return this.#values.get(key);
  }

  /** The value as text, for assertions. */
  text(key: string): string | undefined {
    const entry = this.#values.get(key);
    return entry === undefined ? undefined : Buffer.from(entry.value).toString('utf8');
  }

  /** `cas` 0 overwrites blindly; an absent key is inserted whatever `cas` says (proxy-wasm-cpp-host, shared_data.cc). */
  set(key: string, value: Uint8Array, cas = 0): Status {
    const present = this.#values.get(key);
    if (present !== undefined && cas !== 0 && cas !== present.cas) return Status.CasMismatch;
    this.#cas = (this.#cas + 1) >>> 0 || 1;
    this.#values.set(key, { value, cas: this.#cas });
    return Status.Ok;
  }

  /** Makes the queue, or takes over the notification of one that exists; its items stay. */
  registerQueue(name: string, ready: (token: number) => void): number {
    let token = this.#tokens.get(name);
    if (token === undefined) {
      token = this.#tokens.size + 1;
      this.#tokens.set(name, token);
      this.#queues.set(token, { items: [], ready: () => {} });
    }
    const queue = this.#queues.get(token);
    const registered = token;
    if (queue !== undefined) queue.ready = () => ready(registered);
    return token;
  }

  /** The token of a queue, or 0. */
  resolveQueue(name: string): number {
    return this.#tokens.get(name) ?? 0;
  }

  enqueue(token: number, item: Uint8Array): Status {
    const queue = this.#queues.get(token);
    if (queue === undefined) return Status.NotFound;
    queue.items.push(item);
    queue.ready();
    return Status.Ok;
  }

  dequeue(token: number): Uint8Array | Status {
    const queue = this.#queues.get(token);
    if (queue === undefined) return Status.NotFound;
    return queue.items.shift() ?? Status.Empty;
  }
}
