// One live wasm instance: its contexts, which of them is current, and what happens between guest and host in a call.
import type { CallbackName, LogLevel } from './abi.ts';
import type { Body } from './body.ts';
import type { Clock } from './clock.ts';
import { type Context, type Deferred, RootContext } from './context.ts';
import type { ForeignFunction } from './foreign.ts';
import type { Headers } from './headers.ts';
import type { HttpCall, Upstream } from './http-call.ts';
import { envImports } from './imports/env.ts';
import { wasiImports } from './imports/wasi.ts';
import { LoadError } from './load-error.ts';
import type { Logs } from './logs.ts';
import { Memory } from './memory.ts';
import type { Metrics } from './metrics.ts';
import type { Bytes } from './pairs.ts';
import type { Properties, PropertyValue } from './properties.ts';
import type { SharedData } from './shared-data.ts';

/** What outlives an instance: the world around the guest, the same before and after a reload. */
export interface Surroundings {
  readonly module: WebAssembly.Module;
  readonly vmConfiguration: Uint8Array;
  readonly pluginName: string;
  readonly rootId: string;
  readonly vmId: string;
  readonly properties: Properties;
  readonly clock: Clock;
  readonly shared: SharedData;
  readonly metrics: Metrics;
  readonly logs: Logs;
  readonly logLevel: LogLevel;
  readonly environment: Readonly<Record<string, string>>;
  readonly upstreams: Readonly<Record<string, Upstream>>;
  readonly foreignFunctions: Readonly<Record<string, ForeignFunction>>;
  readonly calls: HttpCall[];
  readonly random: (size: number) => Uint8Array;
  readonly allowOnHeadersStopIteration: boolean;
  /** Streams pass a dead instance by instead of failing. */
  readonly failOpen: boolean;
}

/** An http call's answer, there only while its callback runs. */
export interface CallReply {
  readonly headers: Headers | undefined;
  readonly trailers: Headers | undefined;
  readonly body: Body | undefined;
}

/** In place of a callback's status after send_local_response: "stop", whatever the guest returned. */
const STOP = -1;

/**
 * Callbacks within callbacks that Envoy's stack has room for: what a callback asked for is carried out when it has returned, and the callbacks that
 * this causes carry out the next. 300 streams let go in one tick pass in 1.40, 400 end in "Maximum call stack size exceeded".
 */
const MAX_NESTED = 300;

type GuestFunction = (...args: number[]) => number;

/** Which host functions may be called now: all, those of start-up, or those of an allocation (wasm.cc, setRestrictedCallback). */
type Restriction = 'none' | 'start' | 'allocation';

export class Host {
  readonly surroundings: Surroundings;
  readonly memory: Memory;
  /** That of the newest plugin configuration: new streams are its own. */
  root: RootContext;
  readonly vmConfiguration: Uint8Array;
  readonly rootProperties: readonly Properties[];
  readonly exports: Readonly<Partial<Record<CallbackName, GuestFunction>>>;
  /** What proxy_on_configure answered; undefined when it trapped. */
  configured: boolean | undefined = undefined;
  /** True while the plugin configuration can be read. */
  configuring = false;
  /** Set by send_local_response: the callback's return value no longer counts. */
  stopped = false;
  /** What killed this instance. */
  trap: Error | undefined = undefined;
  callReply: CallReply | undefined = undefined;
  /** Token of the latest http call; Envoy keeps the two low bits for the kind of call. */
  callToken = 0;
  /** Code and message of the last failed call, for proxy_get_status. */
  callStatus: readonly [code: number, message: string] = [0, ''];
  restriction: Restriction = 'none';

  readonly #contexts = new Map<number, Context>();
  readonly #allocate: GuestFunction;
  #nextId = 1;
  #nested = 0;
  #current: Context | undefined = undefined;
  #effective = 0;
  #deferred: [Context, Deferred][] = [];
  /** What the last callback itself returned, whatever it asked for. */
  #returned = 0;
  /** The root whose proxy_on_done answered false, until proxy_done comes. */
  #awaitsDone: RootContext | undefined = undefined;

  constructor(surroundings: Surroundings, pluginConfiguration: Uint8Array) {
    this.surroundings = surroundings;
    this.vmConfiguration = surroundings.vmConfiguration;
    this.rootProperties = [surroundings.properties];
    const wasi = wasiImports(this);
    const instance = new WebAssembly.Instance(surroundings.module, { env: envImports(this), wasi_snapshot_preview1: wasi, wasi_unstable: wasi });
    const memory = Object.values(instance.exports).find((item) => item instanceof WebAssembly.Memory);
    if (memory === undefined) throw new LoadError('Wasm module exports no memory');
    this.memory = new Memory(memory);
    this.exports = instance.exports as Readonly<Record<string, GuestFunction>>;
    this.#allocate = this.exports.malloc ?? this.exports.proxy_on_memory_allocate ?? (() => 0);
    this.root = new RootContext(this, pluginConfiguration);
  }

  /** Runs start-up as Envoy does; false when proxy_on_vm_start refused or anything trapped. */
  start(): boolean {
    const { exports, root } = this;
    this.restriction = 'start';
    if (exports._initialize !== undefined) {
      this.call(root, exports._initialize);
      this.call(root, exports.main ?? exports.__main_void);
    } else {
      this.call(root, exports._start);
    }
    this.restriction = 'none';
    this.#createRoot();
    this.call(root, exports.proxy_on_vm_start, root.id, this.vmConfiguration.length);
    return this.trap === undefined && (this.#returned !== 0 || exports.proxy_on_vm_start === undefined);
  }

  /** Hands over the plugin configuration; what the guest answered is in `configured`. */
  configure(): void {
    this.configuring = true;
    this.call(this.root, this.exports.proxy_on_configure, this.root.id, this.root.configuration.length);
    this.configuring = false;
    if (this.trap === undefined) this.configured = this.#returned !== 0 || this.exports.proxy_on_configure === undefined;
  }

  /** Another plugin configuration in the same instance. The old one's root ends with its last stream; a refused configuration changes nothing. */
  update(pluginConfiguration: Uint8Array): boolean {
    const old = this.root;
    const root = this.root = new RootContext(this, pluginConfiguration);
    this.#createRoot();
    this.configure();
    if (this.trap !== undefined) return false;
    const accepted = this.configured === true;
    if (!accepted) {
      this.configured = true;
      this.root = old;
    }
    this.#retire(accepted ? old : root);
    return accepted;
  }

  /** The instance is dead and streams pass it by, all but the one it died on. */
  get bypassed(): boolean {
    return this.trap !== undefined && this.surroundings.failOpen;
  }

  /** Gives a new context its id. */
  adopt(context: Context): number {
    const id = this.#nextId++;
    this.#contexts.set(id, context);
    if (context !== context.root) context.root.streams++;
    return id;
  }

  release(context: Context): void {
    if (!this.#contexts.delete(context.id)) return;
    context.root.streams--;
    if (context.root.retired) this.#retire(context.root);
  }

  /** Live streams: a test can assert that none is left behind. */
  get streamCount(): number {
    return this.#contexts.size - this.rootCount;
  }

  /** Root contexts that have not ended: more than one while streams of an older configuration live. */
  get rootCount(): number {
    return [...this.#contexts.values()].filter((context) => context === context.root).length;
  }

  /** The context that host calls now act on: the effective one, else the one whose callback runs. */
  context(): Context {
    if (this.restriction !== 'none') throw new WebAssembly.RuntimeError('restricted_callback');
    if (this.#effective !== 0) {
      const effective = this.#contexts.get(this.#effective);
      if (effective !== undefined) return effective;
    }
    return this.#current ?? this.root;
  }

  /** False when there is no such context. 0 goes back to the current one. */
  setEffective(id: number): boolean {
    if (id !== 0 && !this.#contexts.has(id)) return false;
    this.#effective = id;
    return true;
  }

  /** Leaves something to do until the callback has returned. */
  defer(context: Context, action: Deferred): void {
    this.#deferred.push([context, action]);
  }

  /**
   * Calls the guest on behalf of a context and then does what it deferred. 0 when the guest does not export the
   * function (Continue), and when it trapped: look at `trap`. Once dead, nothing is called.
   */
  call(context: Context, callback: GuestFunction | undefined, a = 0, b = 0, c = 0, d = 0, e = 0): number {
    if (callback === undefined || this.trap !== undefined) return 0;
    const current = this.#current;
    this.#current = context;
    this.#effective = 0;
    let result = 0;
    this.#nested++;
    try {
      if (this.#nested > MAX_NESTED) throw new RangeError('Maximum call stack size exceeded');
      result = callback(a, b, c, d, e);
      this.#returned = result;
    } catch (error) {
      if (!isTrap(error)) throw error;
      this.trap = error;
      this.dispose();
      this.surroundings.logs.write(5, `Function: ${this.#nameOf(callback)} failed: Uncaught ${error.name}: ${error.message}`);
    } finally {
      this.#current = current;
    }
    if (this.stopped) {
      this.stopped = false;
      result = STOP;
    }
    while (this.#deferred.length > 0) {
      const [owner, action] = this.#deferred.shift() as [Context, Deferred];
      if (this.trap === undefined) owner.carryOut(action);
    }
    this.#nested--;
    return result;
  }

  /** Copies bytes or text into memory of the guest's own and writes address and size; false is InvalidMemoryAccess. */
  give(value: Bytes, outAddress: number, outSize: number): boolean {
    const isText = typeof value === 'string';
    const size = isText ? Buffer.byteLength(value) : value.length;
    let address = 0;
    if (size > 0) {
      address = this.allocate(size);
      if (address === 0) return false;
      if (isText) this.memory.bytes.write(value, address, 'utf8');
      else this.memory.bytes.set(value, address);
    }
    return this.memory.setWord(outAddress, address) && this.memory.setWord(outSize, size);
  }

  /** Memory from the guest's allocator, or 0. The guest owns it for ever: the host never frees. */
  allocate(size: number): number {
    this.restriction = 'allocation';
    const address = this.#allocate(size) >>> 0;
    this.restriction = 'none';
    return address !== 0 && this.memory.holds(address, size) ? address : 0;
  }

  /** A map of the http call answer now being delivered. */
  callMap(type: number): Headers | undefined {
    if (type === 6) return this.callReply?.headers;
    if (type === 7) return this.callReply?.trailers;
    return undefined;
  }

  /** Begins the end of the plugin: proxy_on_done, and proxy_on_delete now or, when it answered false, after proxy_done. */
  shutdown(): void {
    this.#endRoot(this.root);
  }

  /** proxy_done: false when nobody waits for it. */
  finishShutdown(): boolean {
    const root = this.#awaitsDone;
    if (root === undefined) return false;
    this.#awaitsDone = undefined;
    this.defer(root, { kind: 'close', stream: 0 });
    return true;
  }

  /** Calls proxy_on_delete on a root; nothing calls it again. */
  deleteRoot(root: RootContext): void {
    this.call(root, this.exports.proxy_on_delete, root.id);
    root.tick.set(0);
    this.#contexts.delete(root.id);
  }

  /** Properties of the plugin that every context has. */
  pluginProperty(segments: readonly string[]): PropertyValue | undefined {
    if (segments.length !== 1) return undefined;
    const { pluginName, rootId, vmId } = this.surroundings;
    switch (segments[0]) {
      case 'plugin_name': return pluginName;
      case 'plugin_root_id': return rootId;
      case 'plugin_vm_id': return vmId;
      default: return undefined;
    }
  }

  /** Stops what would call this instance again. */
  dispose(): void {
    for (const context of this.#contexts.values()) if (context === context.root) context.root.tick.set(0);
  }

  #createRoot(): void {
    this.configuring = true;
    this.call(this.root, this.exports.proxy_on_context_create, this.root.id, 0);
    this.configuring = false;
  }

  #retire(root: RootContext): void {
    root.retired = true;
    if (root.streams === 0) this.#endRoot(root);
  }

  #endRoot(root: RootContext): void {
    this.call(root, this.exports.proxy_on_done, root.id);
    const waits = this.trap === undefined && this.#returned === 0 && this.exports.proxy_on_done !== undefined;
    if (waits) this.#awaitsDone = root;
    else this.deleteRoot(root);
  }

  #nameOf(callback: GuestFunction): string {
    return Object.entries(this.exports).find(([, value]) => value === callback)?.[0] ?? 'unknown';
  }
}

/** A fault of the guest, as opposed to one of the host or of a test's own script, which must not be swallowed. */
function isTrap(error: unknown): error is Error {
  return error instanceof WebAssembly.RuntimeError || (error instanceof RangeError && /call stack/.test(error.message));
}
