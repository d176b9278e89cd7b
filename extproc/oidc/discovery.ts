// What one provider says of itself, and its keys: asked for at the first login, renewed in the background while somebody logs in, kept for ever.
import { type JSONWebKeySet, createLocalJWKSet } from 'jose';
import type { Logger } from 'pino';
import type { World } from '../world.ts';
import { Kept } from './kept.ts';
import { readKnown, writeKnown } from './kept-file.ts';
import { type Metadata, discoveryUrl, readKeys, readMetadata } from './metadata.ts';
import { ProviderUnavailable } from './provider-error.ts';

/** How old what we know may get before it is asked for again: give or take a tenth, as many processes began at once. */
const RENEW_MS = 600_000;
const RETRY_MS = 1_000;
const RETRY_MOST_MS = 60_000;
const RETRIES_UNUSED = 10;
const WARN_AGAIN_MS = 60_000;
/** A provider that has answered so lately is taken to be there. */
const THERE_MS = 15_000;
/** Nobody has answered. Whoever answers nonsense is there, and what was discovered before holds. */
const SILENT: ReadonlySet<string> = new Set(['timeout', 'unreachable', 'connection_lost', 'name_not_found', 'certificate_refused']);
/** Whoever sends tokens of unknown keys makes us ask no more often. */
const UNKNOWN_KEY_PAUSE_MS = 30_000;

export interface Keys { readonly set: JSONWebKeySet; readonly find: ReturnType<typeof createLocalJWKSet> }

export interface DiscoveryOptions {
  readonly issuer: string;
  readonly get: (url: URL) => Promise<unknown>;
  readonly file?: string | undefined;
  readonly world: Pick<World, 'now' | 'monotonic' | 'random' | 'after'>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #metadata: Kept<Metadata>;
  readonly #keys: Kept<Keys>;
  readonly #loaded: Promise<void>;
  #saved: Promise<void> = Promise.resolve();
  #used = false;
  #failures = 0;
  #cancel: (() => void) | undefined;
  #unknownKeyNotBefore = Number.NEGATIVE_INFINITY;
  #answered = Number.NEGATIVE_INFINITY;
  #warned: { readonly said: string; readonly at: number } | undefined;
  #closed = false;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    this.#metadata = new Kept(() => this.#askMetadata(), options.world, () => this.#save());
    this.#keys = new Kept(() => this.#askKeys(), options.world, () => this.#save());
    this.#loaded = this.#load();
  }

  async metadata(): Promise<Metadata> {
    await this.#loaded;
    try { return await this.#metadata.get(); } finally { this.#use(); }
  }

  /** Fails where nobody is there: a login that begins now could not end, and who wants to log in is told so here and not by a browser that finds no server. */
  async there(): Promise<void> {
    await this.#loaded;
    if (this.#options.world.monotonic() - this.#answered < THERE_MS) return;
    try { await this.#metadata.renew(); } catch (error) { if (silent(error)) throw error; }
  }

  async keys(): Promise<Keys> {
    await this.#loaded;
    try { return await this.#keys.get(); } finally { this.#use(); }
  }

  /** After `seen` held no key that fits. Fails where there are none to be had now: then nobody can tell yet what the token is worth. */
  async newerKeys(seen: Keys): Promise<Keys> {
    if (this.#keys.underWay) return this.#keys.renew();
    if (this.#keys.value !== undefined && this.#keys.value !== seen) return this.#keys.value;
    const { monotonic } = this.#options.world;
    if (monotonic() < this.#unknownKeyNotBefore) throw new ProviderUnavailable('keys_asked_for_just_now');
    this.#unknownKeyNotBefore = monotonic() + UNKNOWN_KEY_PAUSE_MS;
    return this.#keys.renewNow();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    await this.#loaded;
    await this.#saved;
  }

  async #askMetadata(): Promise<Metadata> {
    const { issuer, get, log } = this.#options;
    const url = discoveryUrl(issuer);
    if (url === undefined) throw new ProviderUnavailable('issuer_not_https', 'an issuer is https without a query, or http on loopback');
    try {
      const metadata = readMetadata(await get(url), issuer);
      this.#answered = this.#options.world.monotonic();
      if (this.#metadata.value === undefined) log.info({ issuer }, 'provider discovered');
      return metadata;
    } catch (error) {
      if (!silent(error)) this.#answered = this.#options.world.monotonic();
      this.#warn('provider cannot be discovered', error, this.#metadata.value !== undefined);
      throw error;
    }
  }

  async #askKeys(): Promise<Keys> {
    const { jwks_uri } = await this.#metadata.get();
    try {
      return local(readKeys(await this.#options.get(new URL(jwks_uri))));
    } catch (error) {
      this.#warn('keys of the provider cannot be had', error, this.#keys.value !== undefined);
      throw error;
    }
  }

  #use(): void {
    this.#used = true;
    if (this.#cancel === undefined) this.#schedule();
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#used = false;
    const { random, now } = this.#options.world;
    const [dice = 0] = random(1);
    const age = Math.max(0, now() - Math.min(this.#metadata.at, this.#keys.at));
    const due = this.#failures > 0 ? Math.min(RETRY_MOST_MS, RETRY_MS * 2 ** Math.min(10, this.#failures - 1)) : Math.max(0, RENEW_MS - age);
    this.#cancel = this.#options.world.after(due * (0.9 + dice / 1275), () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const [metadata] = await Promise.allSettled([this.#metadata.renew()]);
    const [keys] = await Promise.allSettled([this.#keys.renew()]);
    this.#failures = metadata.status === 'fulfilled' && keys.status === 'fulfilled' ? 0 : this.#failures + 1;   // it was logged
    this.#cancel = undefined;
    if (this.#used || (this.#failures > 0 && this.#failures <= RETRIES_UNUSED)) this.#schedule();
  }

  /** The same once a minute at most. */
  #warn(what: string, error: unknown, known: boolean): void {
    const { issuer, log, world } = this.#options;
    const said = `${what} ${problem(error)}`;
    if (this.#warned?.said === said && world.monotonic() - this.#warned.at < WARN_AGAIN_MS) return;
    this.#warned = { said, at: world.monotonic() };
    log.warn({ issuer, problem: problem(error), known }, what);
  }

  async #load(): Promise<void> {
    const { file, issuer, world, log } = this.#options;
    if (file === undefined) return;
    try {
      const known = await readKnown(file, issuer);
      if (known === undefined) return;
      // A time to come says nothing of an age.
      const past = (at: number): number => at > world.now() ? 0 : at;
      this.#metadata.value = known.metadata;
      this.#metadata.at = past(known.metadataAt);
      if (known.keys === undefined) return;
      this.#keys.value = local(known.keys);
      this.#keys.at = past(known.keysAt ?? 0);
    } catch (error) {
      log.warn({ issuer, file, problem: problem(error) }, 'what was kept of the provider is not usable');
    }
  }

  #save(): void {
    const { file, world, log, issuer } = this.#options;
    const metadata = this.#metadata.value;
    if (file === undefined || metadata === undefined) return;
    const known = { metadata, metadataAt: this.#metadata.at, keys: this.#keys.value?.set, keysAt: this.#keys.at };
    this.#saved = this.#saved.then(() => writeKnown(file, known, Buffer.from(world.random(9)).toString('hex'))).catch((error: unknown) => {
      log.warn({ issuer, file, problem: problem(error) }, 'what is known of the provider cannot be kept');
    });
  }
}

function silent(error: unknown): boolean { return error instanceof ProviderUnavailable && SILENT.has(error.reason); }
function local(set: JSONWebKeySet): Keys { return { set, find: createLocalJWKSet(set) }; }
function problem(error: unknown): string { return error instanceof Error ? error.message : `${error}`; }
