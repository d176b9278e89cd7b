// The delta xDS protocol for one stream of one Envoy, as a pure state machine: requests in, responses out. Nothing here knows gRPC or protobuf.
// https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol

import { type ResourceType, resourceTypes } from './resource-types.ts';
import type { Resource, Snapshot } from './snapshot.ts';
import { Subscription } from './subscription.ts';

export interface DeltaRequest {
  readonly typeUrl: string;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** What Envoy holds from an earlier stream; only on the first request of a type. */
  readonly initialVersions: ReadonlyMap<string, string>;
  /** Of the response that this acknowledges; empty when it acknowledges none. */
  readonly nonce: string;
  /** Why Envoy refuses that response; undefined when it accepts it. */
  readonly refusal: string | undefined;
}

export interface DeltaResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly resources: readonly NamedResource[];
  readonly removed: readonly string[];
}

export type NamedResource = readonly [name: string, resource: Resource];

/** What an acknowledgement says about the response it belongs to. */
export type Answer =
  | { readonly kind: 'accepted'; readonly typeUrl: string; readonly resources: readonly NamedResource[]; readonly removed: readonly string[] }
  | { readonly kind: 'refused'; readonly typeUrl: string; readonly name: string; readonly version: string; readonly message: string }
  /** Several resources were refused together: they are sent again in halves until it is clear which one it is. */
  | { readonly kind: 'narrowing'; readonly typeUrl: string; readonly resources: readonly NamedResource[]; readonly message: string };

/** How long followers wait for a cluster to get warm, in milliseconds. Then a 503 on the new route is better than holding up every other change. */
export const HOLD_MS = 1_000;
/** Half of what gRPC is set to let through (ads.ts), so that the rest of the message fits. */
const MAX_RESPONSE_BYTES = 32 * 2 ** 20;

interface Flight { readonly response: DeltaResponse; readonly type: ResourceType; readonly sentAt: number }

export class DeltaStream {
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #flights = new Map<string, Flight>();
  #halves: DeltaResponse[] = [];
  #sent = 0;

  /** Takes in one request. Returns what it says about an earlier response of ours; undefined when it acknowledges none (or none that we know). */
  receive(request: DeltaRequest): Answer | undefined {
    const type = resourceTypes.find(({ typeUrl }) => typeUrl === request.typeUrl);
    if (type === undefined) return undefined; // a type we never serve: no answer is what "no resources" looks like to Envoy
    const known = this.#subscriptions.get(type.typeUrl);
    const subscription = known ?? new Subscription(type, request);
    this.#subscriptions.set(type.typeUrl, subscription);
    subscription.change(request.subscribe, request.unsubscribe, known === undefined);
    const flight = this.#flights.get(request.nonce);
    if (flight === undefined || flight.response.typeUrl !== type.typeUrl) return undefined;
    this.#flights.delete(request.nonce);
    return answer(flight.response, request.refusal, subscription, (half) => this.#halves.push(half));
  }

  /**
   * What is to be sent now to bring Envoy towards `wanted`; counts as sent with the call. `now` in milliseconds. Call again after each `receive`, when
   * `wanted` changes, and at `wakeAt`.
   */
  respond(wanted: Snapshot, now: number): DeltaResponse[] {
    const out: DeltaResponse[] = [];
    for (const type of resourceTypes) out.push(...this.#additions(type, wanted, now));
    // A cluster or listener that was just sent makes due what it names, and a secret comes before a listener in the order.
    if (out.some(({ typeUrl }) => resourceTypes.some((type) => type.typeUrl === typeUrl && type.names.length > 0))) {
      for (const type of resourceTypes) out.push(...this.#additions(type, wanted, now));
    }
    if (this.#flying(now, () => true) || this.#hasAdditions(wanted)) return out;
    for (const type of resourceTypes.toReversed()) {
      const gone = this.#subscriptions.get(type.typeUrl)?.gone(of(wanted, type)) ?? [];
      if (gone.length > 0) out.push(this.#send(type, [], gone, now));
    }
    return out;
  }

  /** When `respond` would send what it now holds back, if no acknowledgement comes before. Undefined when it waits for none. */
  wakeAt(now: number): number | undefined {
    const ends = [...this.#flights.values()].map(({ sentAt }) => sentAt + HOLD_MS).filter((end) => end > now);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /** Envoy has asked for everything that must be there, and has acknowledged everything it asked for. */
  settled(wanted: Snapshot): boolean {
    if (this.#flights.size > 0 || this.#halves.length > 0) return false;
    return resourceTypes.every((type) => {
      const subscription = this.#subscriptions.get(type.typeUrl);
      return subscription === undefined ? !type.wildcard || of(wanted, type).size === 0 : subscription.settled(of(wanted, type));
    });
  }

  /**
   * Envoy has asked for something of every type that there is. One that comes back after its stream broke asks for clusters and listeners first, and has those:
   * what was sent of routes and is lost would not be missed.
   */
  asksForAll(wanted: Snapshot): boolean { return resourceTypes.every((type) => this.#subscriptions.has(type.typeUrl) || of(wanted, type).size === 0); }

  #additions(type: ResourceType, wanted: Snapshot, now: number): DeltaResponse[] {
    const subscription = this.#subscriptions.get(type.typeUrl);
    if (subscription === undefined) return [];
    const resources = of(wanted, type);
    const absent = subscription.absent(resources);
    const out = absent.length > 0 || subscription.owesNothing(resources) ? [this.#send(type, [], absent, now)] : [];
    if (type.follows && this.#flying(now, ({ leads }) => leads)) return out;
    for (const half of this.#takeHalves(type, subscription, resources)) out.push(this.#send(type, half, [], now));
    for (const batch of batches(subscription.changed(resources), resources)) out.push(this.#send(type, batch, [], now));
    return out;
  }

  /** The halves to try again, without what has changed meanwhile: that is due anyway. */
  #takeHalves(type: ResourceType, subscription: Subscription, wanted: ReadonlyMap<string, Resource>): NamedResource[][] {
    const mine = this.#halves.filter(({ typeUrl }) => typeUrl === type.typeUrl);
    this.#halves = this.#halves.filter(({ typeUrl }) => typeUrl !== type.typeUrl);
    return mine
      .map(({ resources }) => resources.filter(([name, { version }]) => wanted.get(name)?.version === version && subscription.holds(name, version)))
      .filter((half) => half.length > 0);
  }

  #send(type: ResourceType, resources: readonly NamedResource[], removed: readonly string[], now: number): DeltaResponse {
    const response: DeltaResponse = { typeUrl: type.typeUrl, nonce: String(++this.#sent), resources, removed };
    this.#flights.set(response.nonce, { response, type, sentAt: now });
    const subscription = this.#subscriptions.get(type.typeUrl);
    subscription?.answered();
    for (const [name, { version }] of resources) subscription?.sent(name, version);
    for (const name of removed) subscription?.sentRemoval(name);
    for (const typeUrl of type.names) for (const [, { body }] of resources) this.#subscriptions.get(typeUrl)?.oweThoseNamedBy(body);
    return response;
  }

  /** Whether an unacknowledged response of such a type is young enough to be waited for. */
  #flying(now: number, which: (type: ResourceType) => boolean): boolean {
    return [...this.#flights.values()].some(({ type, sentAt }) => which(type) && sentAt + HOLD_MS > now);
  }

  #hasAdditions(wanted: Snapshot): boolean {
    return this.#halves.length > 0 || resourceTypes.some((type) => (this.#subscriptions.get(type.typeUrl)?.changed(of(wanted, type)).length ?? 0) > 0);
  }
}

const NONE: ReadonlyMap<string, Resource> = new Map();
const of = (snapshot: Snapshot, { typeUrl }: ResourceType): ReadonlyMap<string, Resource> => snapshot.get(typeUrl) ?? NONE;

function answer(response: DeltaResponse, refusal: string | undefined, subscription: Subscription, retry: (half: DeltaResponse) => void): Answer {
  const { typeUrl, resources, removed } = response;
  if (refusal === undefined) {
    for (const [name, { version }] of resources) subscription.accepted(name, version);
    return { kind: 'accepted', typeUrl, resources, removed };
  }
  const [only] = resources;
  if (resources.length === 1 && only !== undefined) {
    const [name, { version }] = only;
    subscription.refused(name, version);
    return { kind: 'refused', typeUrl, name, version, message: refusal };
  }
  const middle = resources.length >> 1;
  for (const half of [resources.slice(0, middle), resources.slice(middle)]) if (half.length > 0) retry({ ...response, resources: half });
  return { kind: 'narrowing', typeUrl, resources, message: refusal };
}

function batches(names: readonly string[], resources: ReadonlyMap<string, Resource>): NamedResource[][] {
  const out: NamedResource[][] = [];
  let bytes = Infinity;
  for (const name of names) {
    const resource = resources.get(name);
    if (resource === undefined) continue;
    bytes += resource.body.length;
    if (bytes > MAX_RESPONSE_BYTES) {
      out.push([]);
      bytes = resource.body.length;
    }
    out.at(-1)?.push([name, resource]);
  }
  return out;
}
