// What a host function acts on: the root context, one HTTP stream or one connection.
import { BufferType, Status } from './abi.ts';
import { Body } from './body.ts';
import type { Headers } from './headers.ts';
import type { Host } from './host.ts';
import type { Properties, PropertyValue } from './properties.ts';
import { Tick } from './tick.ts';

/** A local response as the guest asked for it. `grpcStatus` is undefined when the guest left it to the host. */
export interface LocalResponse {
  readonly status: number;
  readonly details: string;
  readonly body: Uint8Array;
  /** `[name, value, …]` */
  readonly headers: readonly string[];
  readonly grpcStatus: number | undefined;
}

/** What a guest asks for inside a callback and the host does once it has returned. */
export type Deferred = { readonly kind: 'continue' | 'close'; readonly stream: number } | { readonly kind: 'respond'; readonly local: LocalResponse };

/** One context id of the ABI. What a kind of context has not got, it answers as Envoy does for a null pointer. */
export abstract class Context {
  readonly id: number;
  readonly host: Host;
  /** The plugin configuration that it belongs to. */
  readonly root: RootContext;
  /** `wasm.<key>` and what `set_envoy_filter_state` set; undefined where there is no stream (the root context). */
  readonly state: Map<string, Uint8Array> | undefined;
  /** Names this context declared with declare_property. */
  readonly declared = new Map<string, { readonly readOnly: boolean }>();
  /** How often the guest made Envoy choose the route again: by clear_route_cache or by changing request headers. */
  routeCacheCleared = 0;

  constructor(host: Host, isStream: boolean) {
    this.host = host;
    this.root = isStream ? host.root : this as unknown as RootContext;
    this.id = host.adopt(this);
    this.state = isStream ? new Map() : undefined;
  }

  /** The map of that number as the guest may read it now, or undefined. */
  abstract map(type: number): Headers | undefined;
  /** The map of that number as the guest may change it now, or undefined. */
  abstract writableMap(type: number): Headers | undefined;
  /** Properties the test gave, first match wins. */
  abstract properties(): readonly Properties[];
  /** What Envoy itself would answer for a path the test gave nothing for, or undefined. */
  abstract derive(segments: readonly string[]): PropertyValue | undefined;
  /** Carries out what was asked for in a callback that has now returned. */
  abstract carryOut(action: Deferred): void;
  abstract continueStream(type: number): Status;
  abstract closeStream(type: number): Status;
  /** The body or connection data of that number; an empty buffer where nothing is there. */
  protected abstract streamBuffer(type: number): Body;

  /** The buffer of that number, or undefined (NotFound). */
  buffer(type: number): Body | undefined {
    const { host } = this;
    switch (type) {
      case BufferType.HttpCallResponseBody: return host.callReply?.body;
      case BufferType.VmConfiguration: return new Body(host.vmConfiguration);
      case BufferType.PluginConfiguration: return host.configuring ? new Body(this.root.configuration) : undefined;
      case BufferType.GrpcReceiveBuffer:
      case BufferType.CallData: return new Body();
      default: return this.streamBuffer(type);
    }
  }

  /** Asks the host to answer in the upstream's place, once the callback has returned. */
  respond(local: LocalResponse): void {
    this.host.defer(this, { kind: 'respond', local });
  }
}

/** The context of the plugin itself: ticks, http calls, configuration. It has no stream. */
export class RootContext extends Context {
  readonly configuration: Uint8Array;
  readonly tick: Tick;
  /** Streams it has. */
  streams = 0;
  /** A newer configuration has taken its place: it ends with its last stream. */
  retired = false;

  constructor(host: Host, configuration: Uint8Array) {
    super(host, false);
    this.configuration = configuration;
    this.tick = new Tick(host.surroundings.clock, () => host.call(this, host.exports.proxy_on_tick, this.id));
  }

  map(type: number): Headers | undefined {
    return this.host.callMap(type);
  }

  writableMap(): Headers | undefined {
    return undefined;
  }

  properties(): readonly Properties[] {
    return this.host.rootProperties;
  }

  derive(segments: readonly string[]): PropertyValue | undefined {
    return this.host.pluginProperty(segments);
  }

  /** Only proxy_done leaves something here: the root goes. */
  carryOut(action: Deferred): void {
    if (action.kind === 'close') this.host.deleteRoot(this);
  }

  continueStream(type: number): Status {
    return type === 3 ? Status.Unimplemented : Status.Ok;
  }

  closeStream(): Status {
    return Status.Ok;
  }

  protected streamBuffer(): Body {
    return new Body();
  }
}
