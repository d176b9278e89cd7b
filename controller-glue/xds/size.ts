// Is a snapshot larger than the stream to an Envoy takes, and whose is the most of it?
import type { IrGateway, IrRouteTable, ObjectRef } from '../ir.ts';
import type { RouteCache } from './encode-routes.ts';
import { policyLeaves } from './routes.ts';
import { type Snapshot, typeUrls } from './snapshot.ts';

/** Of one resource: half of what a message may have (ads.ts). Beyond that the stream would break, Envoy come back, and the stream break again, for ever. */
const MAX_BYTES = 32 * 2 ** 20;

/** An object that has to give way, and why. */
export interface Blamed { readonly ref: ObjectRef; readonly message: string }

interface Weight { readonly ref: ObjectRef; bytes: number }

/** Objects without which every route table would fit; empty: all do. Throws where nothing that is left to close would help. */
export function tooLarge({ namespace, name, routeTables }: IrGateway, snapshot: Snapshot, cache: RouteCache, limit = MAX_BYTES): Blamed[] {
  const blamed = new Map<string, Blamed>();
  for (const [url, resources] of snapshot) {
    for (const [resource, { body }] of resources) {
      if (body.length <= limit) continue;
      const table = url === typeUrls.route ? routeTables.find((each) => each.name === resource) : undefined;
      const excess = body.length - limit;
      const found = table === undefined ? [] : heaviest(weights(table, cache), excess);
      if (found.length === 0) throw new Error(`the configuration of Gateway ${namespace}/${name} is not published: ${url.slice(url.lastIndexOf('.') + 1)} ${resource} is ${mebibytes(excess)} larger than an Envoy takes`);
      for (const { ref, bytes } of found) {
        blamed.set(keyOf(ref), { ref, message: `makes the configuration of Gateway ${namespace}/${name} too large: ${mebibytes(excess)} more than an Envoy takes, and ${mebibytes(bytes)} are of this object` });
      }
    }
  }
  return [...blamed.values()];
}

/** What each object adds to a table: an HTTPRoute its matches, a policy what the virtual hosts carry of it. */
function weights({ virtualHosts }: IrRouteTable, cache: RouteCache): Weight[] {
  const all = new Map<string, Weight>();
  const add = (ref: ObjectRef | undefined, bytes: number): void => {
    if (ref === undefined) return;
    const weight = all.get(keyOf(ref)) ?? { ref, bytes: 0 };
    weight.bytes += bytes;
    all.set(keyOf(ref), weight);
  };
  for (const { routes, keySets } of virtualHosts) {
    const seen = new Set<string>();
    for (const route of routes) {
      const { owners: [own, ...policies], match, action } = route;
      // What is closed and matches paths alone has nothing left to give.
      if (action.kind === 'forward' || match.headers.length + match.query.length > 0) add(own, cache.bytes(route).length);
      for (const { name, text, kinds } of policyLeaves(route, keySets)) {
        if (seen.has(name)) continue;
        seen.add(name);
        for (const policy of policies) if (kinds.includes(policy.kind)) add(policy, cache.leaf(name, text).length);
      }
    }
  }
  return [...all.values()];
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
