// What one Envoy wants of one xDS type on one stream, and what it holds of it. Pure bookkeeping; delta.ts decides when to send.

import type { ResourceType } from './resource-types.ts';
import type { Resource } from './snapshot.ts';

/** What Envoy lacks, or holds and should not. */
export interface Due {
  /** To send: another version than Envoy holds, or asked for again. */
  readonly changed: readonly string[];
  /** Asked for, and there is no such resource: the answer is "removed", at once. */
  readonly absent: readonly string[];
  /** Held, and gone: to be removed when nothing needs it any more. */
  readonly gone: readonly string[];
}

export class Subscription {
  readonly type: ResourceType;
  #wildcard = false;
  readonly #names = new Set<string>();
  /** Names that must be answered even though nothing changed. */
  readonly #owed = new Set<string>();
  /** The version of each resource that Envoy has, or is just being sent. */
  readonly #held = new Map<string, string>();
  /** The version of each resource that Envoy has accepted. */
  readonly #accepted = new Map<string, string>();

  constructor(type: ResourceType, first: { readonly subscribe: readonly string[]; readonly initialVersions: ReadonlyMap<string, string> }) {
    this.type = type;
    // xds_protocol, "How the client specifies what resources to return": a first request that names nothing is the legacy form of "*".
    this.#wildcard = type.wildcard && first.subscribe.length === 0;
    for (const [name, version] of first.initialVersions) {
      this.#held.set(name, version);
      this.#accepted.set(name, version);
    }
  }

  /** `first`: on the first request of a stream, what Envoy says it holds (initial_resource_versions) needs no answer; later every name does. */
  change(subscribe: readonly string[], unsubscribe: readonly string[], first: boolean): void {
    for (const name of subscribe) {
      if (name === '*') this.#wildcard = true;
      else {
        this.#names.add(name);
        // xds_protocol: "a resource name in resource_names_subscribe … the server must send the resource", even if it thinks it is known.
        if (!first || !this.#held.has(name)) this.#owed.add(name);
      }
    }
    for (const name of unsubscribe) {
      if (name === '*') this.#wildcard = false;
      else this.#names.delete(name);
      // xds_protocol: a name that "*" still covers must be answered as if it had just been asked for.
      if (this.#wildcard && name !== '*') this.#owed.add(name);
    }
    if (!this.#wildcard) for (const name of [...this.#held.keys(), ...this.#owed]) if (!this.#names.has(name)) this.#forget(name);
  }

  due(wanted: ReadonlyMap<string, Resource>): Due {
    const changed: string[] = [];
    for (const name of this.#wildcard ? wanted.keys() : this.#names) {
      const resource = wanted.get(name);
      if (resource !== undefined && (this.#held.get(name) !== resource.version || this.#owed.has(name))) changed.push(name);
    }
    return {
      changed,
      absent: [...this.#owed].filter((name) => !wanted.has(name)),
      gone: [...this.#held.keys()].filter((name) => !wanted.has(name) && !this.#owed.has(name)),
    };
  }

  /** A new consumer of these names will not ask for them itself. Only what Envoy has can be meant: the rest is due anyway. */
  oweThoseNamedBy(body: Uint8Array): void {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    for (const name of this.#names) if (this.#held.has(name) && bytes.includes(name)) this.#owed.add(name);
  }

  holds(name: string, version: string): boolean { return this.#held.get(name) === version; }

  sent(name: string, version: string): void {
    this.#held.set(name, version);
    this.#owed.delete(name);
  }

  sentRemoval(name: string): void { this.#forget(name); }

  accepted(name: string, version: string): void { if (this.#held.has(name)) this.#accepted.set(name, version); }

  /** Envoy stays at what it accepted before. Without that the refused version counts as held, or it would be sent again and again. */
  refused(name: string, version: string): void {
    const before = this.#accepted.get(name);
    if (this.holds(name, version) && before !== undefined) this.#held.set(name, before);
  }

  #forget(name: string): void {
    this.#held.delete(name);
    this.#accepted.delete(name);
    this.#owed.delete(name);
  }
}
