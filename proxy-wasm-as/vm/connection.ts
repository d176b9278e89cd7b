// One TCP connection through a network filter (data-plane.md C.3 and E.1).
import { Status, StreamType } from './abi.ts';
import { Body } from './body.ts';
import { Context, type Deferred } from './context.ts';
import type { Headers } from './headers.ts';
import type { Host } from './host.ts';
import { peers } from './http-properties.ts';
import type { Properties, PropertyValue } from './properties.ts';

export interface ConnectionOptions {
  /** Over the VM's own, path by path: `{ source: { address: '10.0.0.1:5000' }, connection: { requested_server_name: 'a.test' } }`. */
  readonly properties?: Properties;
  /** Properties that are there from the client's first data on, since the TLS handshake brings them: `{ connection: { mtls: true } }`. */
  readonly handshake?: Properties;
}

/** Where a connection stands: passed on to later filters, kept back, or closed. */
export type ConnectionOutcome = 'open' | 'held' | 'closed';

const CloseType = { Unknown: 0, Local: 1, Remote: 2 } as const;

/** A connection as a test drives it: what the client and the upstream send, and who closes. */
export class Connection extends Context {
  outcome: ConnectionOutcome = 'open';
  /** `wasm_downstream_close` or `wasm_upstream_close` when the filter closed it, `wasm_fail_stream` when the VM died. */
  closeReason: string | undefined = undefined;
  readonly #fromClient = new Body(undefined, true);
  readonly #fromUpstream = new Body(undefined, true);
  readonly #toUpstream = new Body();
  readonly #toClient = new Body();
  #properties: readonly Properties[];
  #handshake: Properties | undefined;
  #seesDownstream = false;
  #seesUpstream = false;
  /** It began on a dead instance that lets streams pass. One whose instance dies under it is closed instead, whatever the policy. */
  readonly #passedBy: boolean;

  constructor(host: Host, options: ConnectionOptions) {
    super(host, true);
    this.#properties = options.properties === undefined ? host.rootProperties : [options.properties, ...host.rootProperties];
    this.#handshake = options.handshake;
    this.#passedBy = host.bypassed;
  }

  /** Opens it; closed at once when the VM is dead, unless the policy is to pass it by. */
  begin(): void {
    const { exports } = this.host;
    if (this.#overtaken()) return;
    this.host.call(this, exports.proxy_on_context_create, this.id, this.root.id);
    const status = this.host.call(this, exports.proxy_on_new_connection, this.id);
    if (!this.#overtaken() && status !== 0) this.outcome = 'held';
  }

  /** What has passed the filter towards the upstream. */
  get toUpstream(): string {
    return Buffer.from(this.#toUpstream.bytes).toString('utf8');
  }

  /** What has passed the filter towards the client. */
  get toClient(): string {
    return Buffer.from(this.#toClient.bytes).toString('utf8');
  }

  get filterState(): Map<string, string> {
    return new Map([...(this.state ?? [])].map(([key, value]) => [key, Buffer.from(value).toString('utf8')]));
  }

  /**
   * The client sends. What the filter stops stays in the buffer, and the next piece is shown with it. A connection that was stopped when it
   * was new goes on with data that is not: only to stop both keeps it.
   */
  receive(data: string | Uint8Array, endOfStream = false): void {
    if (this.outcome === 'closed') return;
    if (this.#handshake !== undefined) this.#properties = [this.#handshake, ...this.#properties];
    this.#handshake = undefined;
    this.#fromClient.append(typeof data === 'string' ? Buffer.from(data) : data);
    this.#seesDownstream = true;
    const { exports } = this.host;
    const status = this.host.call(this, exports.proxy_on_downstream_data, this.id, this.#fromClient.bytes.length, endOfStream ? 1 : 0);
    if (this.#overtaken()) return;
    if (status === 0) this.#resume();
    else this.outcome = 'held';
  }

  /** The upstream sends. Its end of stream is also its close (envoy#13806). */
  send(data: string | Uint8Array, endOfStream = false): void {
    if (this.outcome === 'closed') return;
    this.#fromUpstream.append(typeof data === 'string' ? Buffer.from(data) : data);
    this.#seesUpstream = true;
    const { exports } = this.host;
    const status = this.host.call(this, exports.proxy_on_upstream_data, this.id, this.#fromUpstream.bytes.length, endOfStream ? 1 : 0);
    if (this.#overtaken()) return;
    if (status === 0) {
      this.#seesUpstream = false;
      this.#toClient.append(this.#fromUpstream.bytes);
      this.#fromUpstream.bytes = new Uint8Array(0);
    }
    if (endOfStream) this.host.call(this, exports.proxy_on_upstream_connection_close, this.id, CloseType.Unknown);
    this.#overtaken();
  }

  /** The client closes. */
  close(): void {
    this.#end(CloseType.Remote);
  }

  map(type: number): Headers | undefined {
    return this.host.callMap(type);
  }

  writableMap(): Headers | undefined {
    return undefined;
  }

  protected streamBuffer(type: number): Body {
    if (type === 2 && this.#seesDownstream) return this.#fromClient;
    if (type === 3 && this.#seesUpstream) return this.#fromUpstream;
    return new Body();
  }

  properties(): readonly Properties[] {
    return this.#properties;
  }

  derive(segments: readonly string[]): PropertyValue | undefined {
    const [first, second] = segments;
    if (segments.length === 2 && second !== undefined) {
      if (first === 'source' || first === 'destination') return peers[first].get(second);
      if (first === 'connection') return second === 'id' ? this.id : second === 'mtls' ? false : second === 'requested_server_name' ? '' : undefined;
      if (first === 'request' && second === 'time') return this.host.surroundings.clock.nanoseconds;
    }
    return this.host.pluginProperty(segments);
  }

  continueStream(type: number): Status {
    if (type === StreamType.Upstream) return Status.Unimplemented;
    this.host.defer(this, { kind: 'continue', stream: type });
    return Status.Ok;
  }

  closeStream(type: number): Status {
    this.host.defer(this, { kind: 'close', stream: type });
    return Status.Ok;
  }

  carryOut(action: Deferred): void {
    if (this.outcome === 'closed' || action.kind === 'respond') return;
    if (action.kind === 'continue') {
      if (action.stream === StreamType.Downstream) this.#resume();
      return;
    }
    // Both close the downstream connection (C.3); the HTTP directions do nothing here.
    if (action.stream < StreamType.Downstream) return;
    this.closeReason = action.stream === StreamType.Downstream ? 'wasm_downstream_close' : 'wasm_upstream_close';
    this.#end(CloseType.Local);
  }

  #resume(): void {
    this.outcome = 'open';
    this.#seesDownstream = false;
    this.#toUpstream.append(this.#fromClient.bytes);
    this.#fromClient.bytes = new Uint8Array(0);
  }

  /** Closed by now: by the filter, or because the VM died under it. */
  #overtaken(): boolean {
    if (this.host.trap !== undefined && !this.#passedBy && this.outcome !== 'closed') this.#failClosed();
    return this.outcome === 'closed';
  }

  #failClosed(): void {
    this.closeReason = 'wasm_fail_stream';
    this.#end(CloseType.Local);
  }

  /** Envoy's order for TCP: close, done, log, delete (data-plane.md E.1). */
  #end(type: number): void {
    if (this.outcome === 'closed') return;
    this.outcome = 'closed';
    const { exports } = this.host;
    this.host.call(this, exports.proxy_on_downstream_connection_close, this.id, type);
    this.host.call(this, exports.proxy_on_done, this.id);
    this.host.call(this, exports.proxy_on_log, this.id);
    this.host.call(this, exports.proxy_on_delete, this.id);
    this.host.release(this);
  }
}
