// What one Envoy wants of one xDS type on one stream, and what it holds of it. Pure bookkeeping; delta.ts decides when to send.

import type { ResourceType } from './resource-types.ts';
import type { Resource } from './snapshot.ts';

type Resources = ReadonlyMap<string, Resource>;

export class Subscription {
  readonly type: ResourceType;
  #wildcard = false;
  #unanswered = true;
  readonly #names = new Set<string>();
  /** Names that must be answered even though nothing changed. */
  readonly #owed = new Set<string>();
  /** The version of each resource that Envoy has, or is just being sent. */
  readonly #held = new Map<string, string>();
  /** The version of each resource that Envoy has accepted. */
  readonly #accepted = new Map<string, string>();
  /** Versions that are not sent again, except when asked for: Envoy would refuse them again, in a loop. */
  readonly #refused = new Map<string, string>();

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

  /** To send: another version than Envoy holds, or asked for again. */
  changed(wanted: Resources): string[] {
    const changed: string[] = [];
    for (const name of this.#wildcard ? wanted.keys() : this.#names) {
      const resource = wanted.get(name);
      if (resource === undefined) continue;
      const { version } = resource;
      if (this.#owed.has(name) || (this.#held.get(name) !== version && this.#refused.get(name) !== version)) changed.push(name);
    }
    return changed;
  }

  /** Asked for, and there is no such resource: the answer is "removed", at once. */
  absent(wanted: Resources): string[] { return [...this.#owed].filter((name) => !wanted.has(name)); }

  /** Held, and no longer there: to be removed when nothing needs it any more. */
  gone(wanted: Resources): string[] {
    const gone: string[] = [];
    for (const name of this.#held.keys()) if (!wanted.has(name) && !this.#owed.has(name)) gone.push(name);
    return gone;
  }

  /** Everything was asked for, and there is nothing: Envoy waits until it is told so. */
  owesNothing(wanted: Resources): boolean { return this.#wildcard && this.#unanswered && this.#held.size === 0 && wanted.size === 0; }

  settled(wanted: Resources): boolean {
    return this.changed(wanted).length === 0 && this.absent(wanted).length === 0 && this.gone(wanted).length === 0 && !this.owesNothing(wanted);
  }

  /** A new consumer of these names will not ask for them itself. Only what Envoy has can be meant: the rest is due anyway. */
  oweThoseNamedBy(body: Uint8Array): void {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    for (const name of this.#names) if (this.#held.has(name) && bytes.includes(name)) this.#owed.add(name);
  }

  holds(name: string, version: string): boolean { return this.#held.get(name) === version; }

  answered(): void { this.#unanswered = false; }

  sent(name: string, version: string): void {
    this.#held.set(name, version);
    this.#owed.delete(name);
  }

  sentRemoval(name: string): void { this.#forget(name); }

  accepted(name: string, version: string): void { if (this.#held.has(name)) this.#accepted.set(name, version); }

  /** Envoy stays at what it accepted before; if it had nothing, it has nothing. */
  refused(name: string, version: string): void {
    this.#refused.set(name, version);
    if (!this.holds(name, version)) return; // a later version is on its way
    const before = this.#accepted.get(name);
    if (before === undefined) this.#held.delete(name);
    else this.#held.set(name, before);
  }

  #forget(name: string): void {
    this.#held.delete(name);
    this.#accepted.delete(name);
    this.#refused.delete(name);
    this.#owed.delete(name);
  }
}
