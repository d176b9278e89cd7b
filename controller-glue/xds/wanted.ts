// What one Envoy is to be brought to: the published snapshot, with the last good version in place of what Envoy refused of it, and for a while with the
// clusters that were published before.
// Kept per node and not per stream, so that an Envoy that restarts while something is refused comes up with the last good too.

import { resourceTypes } from './resource-types.ts';
import type { Resource, Snapshot } from './snapshot.ts';

export interface Refusal {
  readonly typeUrl: string;
  /** Of the resources. A refused response is narrowed down, so this is one name. */
  readonly names: readonly string[];
  /** Envoy's words. */
  readonly message: string;
}

type Versioned = Refusal & { readonly version: string };

/**
 * How long a cluster stays that no route leads to any longer, in milliseconds. A request that a filter holds up (a fault's delay, keys that are being fetched)
 * goes on to the cluster that its route led to when it came, and finds 503 where that has gone.
 */
export const LINGER_MS = 60_000;

interface Lingering { readonly typeUrl: string; readonly name: string; readonly resource: Resource; readonly until: number }

export class Wanted {
  #published: Snapshot;
  /** What Envoy accepted last, by type and name. References to bytes that mostly are in `#published` too. */
  readonly #good = new Map<string, Map<string, Resource>>();
  #refusals: readonly Versioned[] = [];
  #lingering: readonly Lingering[] = [];
  #snapshot: Snapshot;

  readonly #linger: number;

  constructor(published: Snapshot, linger = LINGER_MS) {
    this.#published = published;
    this.#snapshot = published;
    this.#linger = linger;
  }

  get snapshot(): Snapshot { return this.#snapshot; }
  /** What of the published snapshot is not in force. */
  get refusals(): readonly Refusal[] { return this.#refusals; }

  /** When `leave` has something to do; Infinity: never. */
  get lingersUntil(): number { return Math.min(Infinity, ...this.#lingering.map(({ until }) => until)); }

  publish(published: Snapshot, now: number): void {
    this.#lingering = [...this.#lingering, ...this.#gone(published, now)].filter(({ typeUrl, name }) => published.get(typeUrl)?.has(name) !== true);
    this.#published = published;
    // Another version may be fine; the refused one is not tried again as long as it is published.
    this.#refusals = this.#refusals.filter(({ typeUrl, names, version }) => names.every((name) => published.get(typeUrl)?.get(name)?.version === version));
    this.#snapshot = this.#withLastGood();
  }

  /** What has lingered long enough goes. */
  leave(now: number): void {
    if (this.lingersUntil > now) return;
    this.#lingering = this.#lingering.filter(({ until }) => until > now);
    this.#snapshot = this.#withLastGood();
  }

  accepted(typeUrl: string, resources: Iterable<readonly [name: string, resource: Resource]>, removed: readonly string[]): void {
    const good = this.#good.get(typeUrl) ?? new Map<string, Resource>();
    this.#good.set(typeUrl, good);
    for (const [name, resource] of resources) good.set(name, resource);
    for (const name of removed) good.delete(name);
  }

  /** What a reconnecting Envoy says it holds, it has accepted: from us before, or from a run of ours before this one. */
  holds(typeUrl: string, versions: ReadonlyMap<string, string>): void {
    const resources = this.#published.get(typeUrl);
    for (const [name, version] of versions) {
      const resource = resources?.get(name);
      if (resource?.version === version) this.accepted(typeUrl, [[name, resource]], []);
    }
  }

  refused(typeUrl: string, name: string, version: string, message: string): void {
    if (this.#published.get(typeUrl)?.get(name)?.version !== version) return; // overtaken
    this.#refusals = [...this.#refusals.filter((known) => known.typeUrl !== typeUrl || !known.names.includes(name)), { typeUrl, names: [name], version, message }];
    this.#snapshot = this.#withLastGood();
  }

  /** What traffic may still be on its way to: Envoy has it, and it is published no longer. */
  #gone(published: Snapshot, now: number): Lingering[] {
    return resourceTypes.filter(({ leads }) => leads).flatMap(({ typeUrl }) => [...this.#published.get(typeUrl)?.keys() ?? []].flatMap((name): Lingering[] => {
      const resource = published.get(typeUrl)?.has(name) === true ? undefined : this.#good.get(typeUrl)?.get(name);
      return resource === undefined ? [] : [{ typeUrl, name, resource, until: now + this.#linger }];
    }));
  }

  #withLastGood(): Snapshot {
    if (this.#refusals.length + this.#lingering.length === 0) return this.#published;
    const snapshot = new Map([...this.#published].map(([typeUrl, resources]) => [typeUrl, new Map(resources)]));
    for (const { typeUrl, name, resource } of this.#lingering) {
      const resources = snapshot.get(typeUrl) ?? new Map<string, Resource>();
      snapshot.set(typeUrl, resources.set(name, resource));
    }
    if (this.#refusals.length === 0) return snapshot;
    // The last good routes may lead to clusters that are no longer published: as long as anything is refused, what leads stays.
    for (const { typeUrl, leads } of resourceTypes) {
      const kept = leads ? snapshot.get(typeUrl) ?? new Map<string, Resource>() : undefined;
      for (const [name, resource] of this.#good.get(typeUrl) ?? []) if (kept?.has(name) === false) kept.set(name, resource);
      if (kept !== undefined) snapshot.set(typeUrl, kept);
    }
    for (const { typeUrl, names } of this.#refusals) {
      for (const name of names) {
        const good = this.#good.get(typeUrl)?.get(name);
        if (good !== undefined) snapshot.get(typeUrl)?.set(name, good);
      }
    }
    return snapshot;
  }
}
