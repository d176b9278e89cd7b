// Serves snapshots to Envoys by delta ADS (gRPC) on a Unix socket. What to send when is decided in delta.ts; this file carries it out.

import { chmod, mkdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { aggregatedDiscovery, type NodeRequest } from './ads-wire.ts';
import { type Answer, type DeltaResponse, DeltaStream } from './delta.ts';
import { resourceTypes } from './resource-types.ts';
import type { Snapshot } from './snapshot.ts';
import { type Refusal, Wanted } from './wanted.ts';

export interface AdsOptions {
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn'>;
  /** Envoy has taken these (added, changed or removed). */
  readonly onAck?: (node: string, typeUrl: string, names: readonly string[]) => void;
  /** Envoy refuses this resource, once per version. It keeps the last good one. */
  readonly onNack?: (node: string, typeUrl: string, names: readonly string[], message: string) => void;
  /** Milliseconds, never going back. */
  readonly now?: () => number;
  /** How long `publish` waits for an Envoy that is away, or busy warming, before it resolves with 'unanswered'. Milliseconds. */
  readonly patience?: number;
  /** How long clusters stay that are published no longer. Milliseconds. */
  readonly linger?: number;
}

type Call = ServerDuplexStream<NodeRequest, DeltaResponse>;

/** One Envoy by its node id: what it is to hold, and its streams (two while it restarts hot). */
interface Node {
  readonly id: string;
  wanted: Wanted | undefined;
  readonly streams: Map<Call, DeltaStream>;
  /** Ends the `publish` that waits. */
  finish: (outcome: Refusal | 'unanswered' | undefined) => void;
  timer: NodeJS.Timeout | undefined;
}

// 64 MiB: a reconnecting Envoy lists all it holds in one request, and a big route table is one response. gRPC's own limit is 4 MiB.
const MAX_MESSAGE_BYTES = 64 * 2 ** 20;
// sockaddr_un.sun_path less the final zero.
const MAX_SOCKET_PATH_BYTES = 107;

export class AdsServer {
  readonly #options: AdsOptions;
  readonly #now: () => number;
  readonly #nodes = new Map<string, Node>();
  readonly #server = new Server({ 'grpc.max_receive_message_length': MAX_MESSAGE_BYTES, 'grpc.max_send_message_length': MAX_MESSAGE_BYTES });

  constructor(options: AdsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#server.addService(aggregatedDiscovery, { deltaAggregatedResources: (call: Call) => this.#accept(call) });
  }

  /**
   * `socketPath` is absolute, its folder is made with mode 0700. Throws when the path is too long for a socket, and when others may enter the folder:
   * whoever reaches the socket reads every secret.
   */
  async listen(socketPath: string): Promise<void> {
    const bytes = Buffer.byteLength(socketPath);
    if (bytes > MAX_SOCKET_PATH_BYTES) throw new Error(`${socketPath}: ${bytes} bytes; the path of a Unix socket has at most ${MAX_SOCKET_PATH_BYTES}`);
    const folder = dirname(socketPath);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (((await stat(folder)).mode & 0o077) !== 0) throw new Error(`${folder} is open to other users; the xDS socket needs a folder of mode 0700`);
    await rm(socketPath, { force: true }); // of a run that was killed
    await new Promise<void>((resolve, reject) => {
      this.#server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) => { error === null ? resolve() : reject(error); });
    });
    await chmod(socketPath, 0o600);
  }

  /**
   * Makes `snapshot` what the Envoys with this node id get. Resolves when they have acknowledged all of it that they ask for; with a refusal when they
   * have refused some (the rest is then in force). Resolves with undefined, too, when a later `publish` or `close` overtakes it. After `patience` it
   * resolves with 'unanswered', and a warning: what was sent may have got lost with its stream, or be refused yet. It stays published then.
   */
  publish(nodeId: string, snapshot: Snapshot): Promise<Refusal | 'unanswered' | undefined> {
    for (const typeUrl of snapshot.keys()) if (!resourceTypes.some((type) => type.typeUrl === typeUrl)) throw new Error(`not served: ${typeUrl}`);
    const node = this.#node(nodeId);
    node.finish(undefined);
    if (node.wanted === undefined) node.wanted = new Wanted(snapshot, this.#options.linger);
    else node.wanted.publish(snapshot, this.#now());
    return new Promise((resolve) => {
      const impatience = setTimeout(() => {
        this.#options.log.warn({ node: nodeId, connected: node.streams.size > 0 }, 'Envoy has not acknowledged the published configuration yet');
        node.finish('unanswered');
      }, this.#options.patience ?? 20_000);
      node.finish = (outcome) => {
        clearTimeout(impatience);
        node.finish = nobodyWaits;
        resolve(outcome);
      };
      this.#advance(node);
    });
  }

  /** Drops what is published for this node id, once its Envoys are gone. */
  forget(nodeId: string): void {
    const node = this.#nodes.get(nodeId);
    clearTimeout(node?.timer);
    node?.finish(undefined);
    this.#nodes.delete(nodeId);
  }

  /** Ends every stream and removes the socket. Envoys keep what they have. */
  async close(): Promise<void> {
    for (const node of this.#nodes.values()) {
      clearTimeout(node.timer);
      node.finish(undefined);
    }
    this.#nodes.clear();
    this.#server.forceShutdown();
    await new Promise<void>((resolve) => { this.#server.tryShutdown(() => resolve()); });
  }

  #accept(call: Call): void {
    const stream = new DeltaStream();
    let node: Node | undefined;
    call.on('data', (request: NodeRequest) => {
      node ??= this.#join(request.node, call, stream);
      node.wanted?.holds(request.typeUrl, request.initialVersions);
      this.#heed(node, request, stream.receive(request));
      this.#advance(node);
    });
    const leave = (): void => { node?.streams.delete(call); };
    call.on('end', () => { leave(); call.end(); });
    call.on('error', leave);
    call.on('cancelled', leave);
  }

  #join(id: string, call: Call, stream: DeltaStream): Node {
    const node = this.#node(id);
    node.streams.set(call, stream);
    if (node.wanted === undefined) this.#options.log.warn({ node: id }, 'an Envoy with this node id asks for its configuration; nothing is published for it');
    else this.#options.log.info({ node: id }, 'Envoy connected');
    return node;
  }

  #heed({ id, wanted }: Node, { refusal, typeUrl }: NodeRequest, answer: Answer | undefined): void {
    const { log, onAck, onNack } = this.#options;
    if (answer === undefined) {
      if (refusal !== undefined) log.warn({ node: id, typeUrl, message: refusal }, 'Envoy refuses a response that is not known');
      return;
    }
    switch (answer.kind) {
      case 'accepted':
        wanted?.accepted(typeUrl, answer.resources, answer.removed);
        onAck?.(id, typeUrl, [...answer.resources.map(([name]) => name), ...answer.removed]);
        return;
      case 'refused':
        wanted?.refused(typeUrl, answer.name, answer.version, answer.message);
        log.warn({ node: id, typeUrl, name: answer.name, message: answer.message }, 'Envoy refuses a resource and keeps the last good one');
        onNack?.(id, typeUrl, [answer.name], answer.message);
        return;
      case 'narrowing':
        log.debug({ node: id, typeUrl, resources: answer.resources.length, message: answer.message }, 'Envoy refuses some of these; trying halves');
        return;
    }
  }

  /** Sends what may be sent, and tells the one who waits in `publish` when all is done. */
  #advance(node: Node): void {
    clearTimeout(node.timer);
    const { wanted, streams } = node;
    if (wanted === undefined) return;
    const now = this.#now();
    wanted.leave(now);
    let wake = wanted.lingersUntil;
    for (const [call, stream] of streams) {
      for (const response of stream.respond(wanted.snapshot, now)) {
        this.#options.log.debug({ node: node.id, typeUrl: response.typeUrl, nonce: response.nonce, resources: response.resources.length, removed: response.removed.length }, 'sent');
        call.write(response);
      }
      wake = Math.min(wake, stream.wakeAt(now) ?? Infinity);
    }
    if (wake < Infinity) node.timer = setTimeout(() => this.#advance(node), Math.max(1, wake - now));
    // What is refused is not asked for what it would need.
    const done = (stream: DeltaStream): boolean => stream.settled(wanted.snapshot) && (wanted.refusals.length > 0 || stream.asksForAll(wanted.snapshot));
    if (streams.size > 0 && [...streams.values()].every(done)) node.finish(wanted.refusals[0]);
  }

  #node(id: string): Node {
    const known = this.#nodes.get(id) ?? { id, wanted: undefined, streams: new Map(), finish: nobodyWaits, timer: undefined };
    this.#nodes.set(id, known);
    return known;
  }
}

function nobodyWaits(): void {}
