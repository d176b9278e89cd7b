// Connections to Redis or Valkey: one for all policies that name the same store, made at first use and closed when nobody has used it for a while.
import { createClient } from '@redis/client';
import type { Logger } from 'pino';
import type { SessionStore } from '../../policy/oidc.ts';
import type { World } from '../world.ts';
import { StoreUnavailable } from './store.ts';

export interface RedisConnection {
  /** One command, in words, as in Redis' reference. Rejects with StoreUnavailable, after a second at most. */
  readonly command: (...words: readonly string[]) => Promise<unknown>;
}

/** A request waits for this. */
const COMMAND_MS = 1_000;
/** A connection on which nothing came for so long, though something was asked, is given up for a new one: the other side may be gone without a word. */
const SILENT_MS = 5_000;
const CONNECT_MS = 3_000;
const RECONNECT_MS = 1_000;
const IDLE_MS = 600_000;
/** Commands under way: what a store that hangs may cost in memory. */
const MAX_PENDING = 1_000;

interface RedisOptions {
  readonly world: Pick<World, 'monotonic' | 'after'>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

export class RedisConnections {
  readonly #options: RedisOptions;
  readonly #open = new Map<string, Connection>();

  constructor(options: RedisOptions) { this.#options = options; }

  get size(): number { return this.#open.size; }

  /** At once; it connects, and connects again, by itself. Throws when the URL is none. */
  to(store: SessionStore): RedisConnection {
    // The messages of others quote it.
    const url = store.url.reveal();
    if (!/^(rediss?|unix):/.test(url) || !URL.canParse(url)) throw new Error('the URL of the session store is not one of Redis');
    if (store.ca !== undefined && !url.startsWith('rediss:')) throw new Error('a session store with a CA has a URL that begins with rediss:');
    const key = JSON.stringify([url, store.ca]);
    return {
      command: (...words) => {
        const connection = this.#open.get(key) ?? new Connection(store, this.#options, () => this.#open.delete(key));
        this.#open.set(key, connection);
        return connection.command(words);
      },
    };
  }

  close(): void { for (const connection of [...this.#open.values()]) connection.close(); }
}

class Connection {
  readonly #store: SessionStore;
  readonly #options: RedisOptions;
  readonly #closed: () => void;
  #client: ReturnType<typeof createClient>;
  #reachable = true;
  #silentSince: number | undefined;
  #used: number;
  #unwatch: () => void = () => undefined;

  constructor(store: SessionStore, options: RedisOptions, closed: () => void) {
    this.#store = store;
    this.#options = options;
    this.#closed = closed;
    this.#used = options.world.monotonic();
    this.#client = this.#connect();
    this.#watch();
  }

  async command(words: readonly string[]): Promise<unknown> {
    const { world } = this.#options;
    this.#used = world.monotonic();
    const client = this.#client;
    // Calls off what is not sent yet: it must not be carried out later, when nobody counts on it.
    const late = new AbortController();
    let callOff = (): void => undefined;
    const timeout = new Promise<never>((_, reject) => {
      callOff = world.after(COMMAND_MS, () => {
        late.abort();
        reject(new StoreUnavailable('the session store does not answer in time'));
        this.#missed(client);
      });
    });
    try {
      const reply = await Promise.race([client.sendCommand([...words], { abortSignal: late.signal }), timeout]);
      this.#silentSince = undefined;
      return reply;
    } catch (error) {
      throw error instanceof StoreUnavailable ? error : new StoreUnavailable(`the session store cannot be used: ${word(error)}`);
    } finally { callOff(); }
  }

  close(): void {
    this.#unwatch();
    this.#closed();
    this.#client.destroy();
  }

  #connect(): ReturnType<typeof createClient> {
    const { ca, url } = this.#store;
    const socket = { connectTimeout: CONNECT_MS, keepAlive: true, reconnectStrategy: (tries: number) => Math.min(25 * 2 ** Math.min(tries, 10), RECONNECT_MS) };
    const client = createClient({
      url: url.reveal(), RESP: 2, commandsQueueMaxLength: MAX_PENDING, disableClientInfo: true, maintNotifications: 'disabled',
      socket: ca === undefined ? socket : { ...socket, tls: true, ca },
    });
    client.on('error', (error: unknown) => this.#tell(false, word(error)));
    client.on('ready', () => this.#tell(true));
    // It tries until it is closed; 'error' says what is wrong meanwhile.
    client.connect().catch(() => undefined);
    return client as ReturnType<typeof createClient>;
  }

  /** Of a store that is away for long, one line. */
  #tell(reachable: boolean, problem?: string): void {
    if (reachable === this.#reachable) return;
    this.#reachable = reachable;
    if (reachable) this.#options.log.info('the session store is there again');
    else this.#options.log.warn({ problem }, 'the session store cannot be reached; sessions in it cannot be used until it is');
  }

  #missed(client: ReturnType<typeof createClient>): void {
    if (client !== this.#client || !client.isReady) return;
    const now = this.#options.world.monotonic();
    this.#silentSince ??= now;
    if (now - this.#silentSince < SILENT_MS) return;
    this.#silentSince = undefined;
    client.destroy();
    this.#client = this.#connect();
  }

  #watch(): void {
    const { world } = this.#options;
    const left = IDLE_MS - (world.monotonic() - this.#used);
    if (left <= 0) this.close();
    else this.#unwatch = world.after(left, () => this.#watch());
  }
}

/** What is wrong, in one word: messages may quote a user, a host, a URL. */
function word(error: unknown): string {
  const { code, message, constructor: { name } } = error as { code?: unknown; message?: unknown; constructor: { name?: unknown } };
  const said = typeof message === 'string' ? /^[A-Z]{3,20}(?= )/.exec(message)?.[0] : undefined;
  return [code, said, name].find((each): each is string => typeof each === 'string' && /^\w{1,40}$/.test(each)) ?? 'error';
}
