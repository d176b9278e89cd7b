// Is the configuration of a Gateway larger than the stream to an Envoy takes, and whose is the most of it? Asked before it is put together: what every host
// repeats may not fit into memory either.
import type { IrGateway, IrRouteTable, ObjectRef } from '../ir.ts';
import type { RouteCache } from './encode-routes.ts';
import { policyLeaves } from './routes.ts';
import type { Snapshot } from './snapshot.ts';

/** Of one resource: half of what a message may have (ads.ts). Beyond that the stream would break, Envoy come back, and the stream break again, for ever. */
const MAX_BYTES = 32 * 2 ** 20;

/** An object that has to give way, and why. */
export interface Blamed { readonly ref: ObjectRef; readonly message: string }

interface Weight { readonly ref: ObjectRef; bytes: number }
interface Weights { readonly total: number; readonly of: readonly Weight[] }

/** Objects without which every route table would fit; empty: all do. Throws where nothing that is left to close would help. */
export function tooLarge({ namespace, name, routeTables }: IrGateway, cache: RouteCache, limit = MAX_BYTES): Blamed[] {
  const blamed = new Map<string, Blamed>();
  for (const table of routeTables) {
    const { total, of } = weights(table, cache);
    const excess = total - limit;
    if (excess <= 0) continue;
    const found = heaviest(of, excess);
    if (found.length === 0) throw unpublished(`RouteConfiguration ${table.name}`, excess);
    for (const { ref, bytes } of found) {
      blamed.set(keyOf(ref), { ref, message: `makes the configuration of Gateway ${namespace}/${name} too large: ${mebibytes(excess)} more than an Envoy takes, and ${mebibytes(bytes)} are of this object` });
    }
  }
  return [...blamed.values()];
}

/** Throws where a resource is too large all the same: of the others there is nothing to be closed. */
export function refuseLarge(snapshot: Snapshot, limit = MAX_BYTES + FRAMING): void {
  for (const [url, resources] of snapshot) {
    for (const [name, { body }] of resources) if (body.length > limit) throw unpublished(`${url.slice(url.lastIndexOf('.') + 1)} ${name}`, body.length - limit);
  }
}

/** Room for what holds routes and policies together. */
const FRAMING = 2 ** 20;

function unpublished(what: string, excess: number): Error { return new Error(`not published: ${what} is ${mebibytes(excess)} larger than an Envoy takes`); }

/** What each object adds to a table: an HTTPRoute its matches, a policy what the virtual hosts carry of it, and each of its routes of cors. */
function weights({ virtualHosts }: IrRouteTable, cache: RouteCache): Weights {
  let total = 0;
  const all = new Map<string, Weight>();
  const add = (ref: ObjectRef, bytes: number): void => {
    const weight = all.get(keyOf(ref)) ?? { ref, bytes: 0 };
    weight.bytes += bytes;
    all.set(keyOf(ref), weight);
  };
  for (const { routes, keySets } of virtualHosts) {
    const seen = new Set<string>();
    for (const route of routes) {
      const { owners: [own, ...policies], match, action, cors } = route;
      // What is closed and matches paths alone has nothing left to give.
      const bytes = cache.bytes(route).length;
      total += bytes;
      const ofCors = cors === undefined ? 0 : Math.min(bytes, JSON.stringify(cors).length);
      if (own !== undefined && (action.kind === 'forward' || match.headers.length + match.query.length > 0)) add(own, bytes - ofCors);
      for (const policy of policies) if (ofCors > 0 && policy.kind === 'SecurityPolicy') add(policy, ofCors);
      for (const { name, text, kinds } of policyLeaves(route, keySets)) {
        if (seen.has(name)) continue;
        seen.add(name);
        const size = cache.leaf(name, text).length;
        total += size;
        for (const policy of policies) if (kinds.includes(policy.kind)) add(policy, size);
      }
    }
  }
  return { total, of: [...all.values()] };
}

/** Of the namespace that has the most its largest, and so on until enough is gone: who has little keeps it, whoever fills the rest. */
function heaviest(weights: readonly Weight[], excess: number): Weight[] {
  const namespaces = [...Map.groupBy(weights, ({ ref }) => ref.namespace).values()].map((own) => ({ own: own.toSorted((a, b) => b.bytes - a.bytes), bytes: own.reduce((sum, { bytes }) => sum + bytes, 0) }));
  const found: Weight[] = [];
  for (let left = excess; left > 0;) {
    const [most] = namespaces.filter(({ own }) => own.length > 0).sort((a, b) => b.bytes - a.bytes);
    const next = most?.own.shift();
    if (most === undefined || next === undefined) break;
    most.bytes -= next.bytes;
    left -= next.bytes;
    found.push(next);
  }
  return found;
}

function keyOf({ group, kind, namespace, name }: ObjectRef): string { return `${group}/${kind}/${namespace}/${name}`; }
function mebibytes(bytes: number): string { return `${(bytes / 2 ** 20).toFixed(1)} MiB`; }
