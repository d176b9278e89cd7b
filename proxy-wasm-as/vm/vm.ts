// A wasm filter under test, loaded and driven as Envoy 1.40 would: the public face of this package.
import type { LogLevel } from './abi.ts';
import { Clock } from './clock.ts';
import { type ConnectionOptions, Connection } from './connection.ts';
import type { Exchange, RequestOptions } from './exchange.ts';
import type { ForeignFunction } from './foreign.ts';
import { guestModule } from './guest-module.ts';
import { Headers, type HeadersInput } from './headers.ts';
import { Host, type Surroundings } from './host.ts';
import type { HttpCall, Upstream } from './http-call.ts';
import { HttpStream } from './http-stream.ts';
import { type LogEntry, Logs } from './logs.ts';
import type { Properties } from './properties.ts';
import { SharedData } from './shared-data.ts';

export { logLevels, Status, type LogLevel } from './abi.ts';
export { Clock } from './clock.ts';
export type { Connection, ConnectionOptions, ConnectionOutcome } from './connection.ts';
export type { Exchange, HttpResponse, OriginReply, Outcome, RequestOptions } from './exchange.ts';
export type { ForeignFunction } from './foreign.ts';
export { Headers, type HeadersInput } from './headers.ts';
export type { HttpCall, Upstream, UpstreamReply } from './http-call.ts';
export { LoadError } from './load-error.ts';
export type { LogEntry } from './logs.ts';
export type { Properties, PropertyValue } from './properties.ts';
export { SharedData } from './shared-data.ts';

/** What becomes of requests once a trap has killed the VM (Envoy's failure_policy). */
export type FailurePolicy =
  /** 503 for ever. */
  | 'FAIL_CLOSED'
  /** The request that trapped gets 503, later ones pass the filter by. */
  | 'FAIL_OPEN'
  /** 503 until the back-off has passed, then a new instance. */
  | 'FAIL_RELOAD';

export interface VmOptions {
  readonly pluginConfiguration?: string | Uint8Array;
  readonly vmConfiguration?: string | Uint8Array;
  readonly pluginName?: string;
  readonly rootId?: string;
  readonly vmId?: string;
  /** Default FAIL_RELOAD. */
  readonly failurePolicy?: FailurePolicy;
  /** Milliseconds before a dead VM is replaced, on the VM's clock. Default 1000. */
  readonly reloadBackoff?: number;
  /** Share one to have several VMs live in the same time. */
  readonly clock?: Clock;
  /** Share one and the VMs are workers of one Envoy. */
  readonly shared?: SharedData;
  /** Clusters the guest may call. */
  readonly upstreams?: Readonly<Record<string, Upstream>>;
  /** Over those of Envoy, by name. */
  readonly foreignFunctions?: Readonly<Record<string, ForeignFunction>>;
  /** Properties every request and connection has; nested, one key a segment. */
  readonly properties?: Properties;
  /** Lowest level kept in `logs`, and what proxy_get_log_level answers. Default info. */
  readonly logLevel?: LogLevel;
  /** environment_variables of Envoy's VmConfig. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Bytes for WASI random_get. Default: the same sequence in every run. */
  readonly random?: (size: number) => Uint8Array;
  /** allow_on_headers_stop_iteration of Envoy's PluginConfig. Default false: StopIteration at the headers stops the body too. */
  readonly allowOnHeadersStopIteration?: boolean;
}

/** One worker's VM with one plugin. Everything is synchronous; time moves by `clock` only. */
export class Vm {
  readonly clock: Clock;
  readonly shared: SharedData;
  /** Http calls the guest made, oldest first (the last 10,000 at least). */
  readonly calls: readonly HttpCall[];
  /** How often a dead VM was replaced. */
  reloads = 0;
  /** What killed the VM last, also after a reload. */
  lastTrap: Error | undefined = undefined;

  readonly #surroundings: Surroundings;
  readonly #failurePolicy: FailurePolicy;
  readonly #reloadBackoff: number;
  #pluginConfiguration: Uint8Array;
  #host: Host;
  #loadedAt: number;

  private constructor(surroundings: Surroundings, options: VmOptions) {
    this.#surroundings = surroundings;
    this.clock = surroundings.clock;
    this.shared = surroundings.shared;
    this.calls = surroundings.calls;
    this.#failurePolicy = options.failurePolicy ?? 'FAIL_RELOAD';
    this.#reloadBackoff = options.reloadBackoff ?? 1000;
    this.#pluginConfiguration = bytesOf(options.pluginConfiguration);
    this.#host = this.#startHost();
    this.#loadedAt = this.clock.now;
    if (this.#host.trap !== undefined) this.lastTrap = this.#host.trap;
  }

  /** Compiles, checks, starts and configures a filter. Throws LoadError where Envoy would refuse the module; a refused configuration is `configured === false`. */
  static load(pathOrBytes: string | URL | Uint8Array, options: VmOptions = {}): Vm {
    const logLevel = options.logLevel ?? 'info';
    const shared = options.shared ?? new SharedData();
    return new Vm({
      module: guestModule(pathOrBytes),
      vmConfiguration: bytesOf(options.vmConfiguration),
      pluginName: options.pluginName ?? '',
      rootId: options.rootId ?? '',
      vmId: options.vmId ?? '',
      properties: options.properties ?? {},
      clock: options.clock ?? new Clock(),
      shared,
      metrics: shared.metrics,
      logs: new Logs(logLevel),
      logLevel,
      environment: options.environment ?? {},
      upstreams: options.upstreams ?? {},
      foreignFunctions: options.foreignFunctions ?? {},
      calls: [],
      random: options.random ?? repeatableRandom(),
      failOpen: options.failurePolicy === 'FAIL_OPEN',
      allowOnHeadersStopIteration: options.allowOnHeadersStopIteration ?? false,
    }, options);
  }

  /** Whether proxy_on_configure accepted; false too when it trapped (Envoy refuses the configuration either way). */
  get configured(): boolean {
    return this.#host.configured === true;
  }

  /** A trap has killed the instance, and nothing has replaced it yet. */
  get dead(): boolean {
    return this.#host.trap !== undefined;
  }

  /** 64 KiB pages of the guest's memory. */
  get pages(): number {
    return this.#host.memory.pages;
  }

  get logs(): readonly LogEntry[] {
    return this.#surroundings.logs.entries;
  }

  /** Counters and gauges by name, as they stand now; a histogram shows the sum of what was recorded. */
  get metrics(): Map<string, number> {
    return this.#surroundings.metrics.values;
  }

  /** Milliseconds between ticks; 0 when there are none. */
  get tickPeriod(): number {
    return this.#host.root.tick.period;
  }

  /** Streams the guest still has: 0 when every one was deleted. */
  get liveStreams(): number {
    return this.#host.streamCount;
  }

  /** Root contexts the guest still has: more than one while streams of an older configuration live. */
  get liveRoots(): number {
    return this.#host.rootCount;
  }

  /** One request through this filter alone. Pseudo headers default to GET http://www.example.com/. */
  request(headers: HeadersInput = {}, options: RequestOptions = {}): Exchange {
    this.#reloadIfDue();
    const stream = new HttpStream(this.#host, withPseudoHeaders(headers), options);
    if (this.dead && !this.#host.bypassed) stream.fail();
    else stream.begin();
    this.#noteTrap();
    return stream;
  }

  /** One TCP connection through this filter as a network filter. */
  connection(options: ConnectionOptions = {}): Connection {
    this.#reloadIfDue();
    const connection = new Connection(this.#host, options);
    connection.begin();
    this.#noteTrap();
    return connection;
  }

  /** Delivers what is due now: answers of http calls without delay, queue notifications. */
  settle(): void {
    this.clock.advance(0);
    this.#noteTrap();
  }

  /**
   * A configuration update: in Envoy the same VM gets another root context, whose new streams are. The old one ends with its last stream.
   * False: the new one was refused, and the old one stays.
   */
  update(pluginConfiguration: string | Uint8Array): boolean {
    this.#reloadIfDue();
    const accepted = this.#host.update(bytesOf(pluginConfiguration));
    if (accepted) this.#pluginConfiguration = bytesOf(pluginConfiguration);
    this.#noteTrap();
    return accepted;
  }

  /** Ends the plugin as a configuration update does: proxy_on_done, then proxy_on_delete now or after proxy_done. */
  shutdown(): void {
    this.#host.shutdown();
  }

  #startHost(): Host {
    const host = new Host(this.#surroundings, this.#pluginConfiguration);
    if (host.start()) host.configure();
    else if (host.trap === undefined) host.configured = false;
    return host;
  }

  #noteTrap(): void {
    if (this.#host.trap !== undefined) this.lastTrap = this.#host.trap;
  }

  #reloadIfDue(): void {
    if (!this.dead) return;
    this.#noteTrap();
    if (this.#failurePolicy !== 'FAIL_RELOAD' || this.clock.now - this.#loadedAt < this.#reloadBackoff) return;
    this.#host.dispose();
    this.#host = this.#startHost();
    this.#loadedAt = this.clock.now;
    this.reloads++;
  }
}

function bytesOf(value: string | Uint8Array | undefined): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : (value ?? new Uint8Array(0));
}

function withPseudoHeaders(input: HeadersInput): Headers {
  const given = new Headers(input);
  const headers = new Headers();
  headers.add(':authority', given.get(':authority') ?? 'www.example.com');
  headers.add(':path', given.get(':path') ?? '/');
  headers.add(':method', given.get(':method') ?? 'GET');
  headers.add(':scheme', given.get(':scheme') ?? 'http');
  const { flat } = given;
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    if (!name.startsWith(':')) headers.flat.push(name, flat[i + 1] as string);
  }
  return headers;
}

/** xorshift32 from a fixed seed: tests must not depend on luck. */
function repeatableRandom(): (size: number) => Uint8Array {
  let state = 0x9e3779b9;
  return (size) => Uint8Array.from({ length: size }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0xff;
  });
}
