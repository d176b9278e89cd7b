// Which route is tried first. Gateway API, HTTPRouteRule: precedence of matches.
import type { IrMatch } from '../ir.ts';
import type { TableRoute } from './rule-routes.ts';

/** Exact > regex > prefix (EG's place for regex, which Gateway API leaves open), then … */
const PATH_ORDER: Readonly<Record<IrMatch['path']['kind'], number>> = { exact: 0, regex: 1, prefix: 2 };

/** The given order is that of the routes' age, name, rule and match: it decides what is left, because the sort is stable. */
export function inOrder(routes: readonly TableRoute[]): TableRoute['route'][] {
  return routes.toSorted((a, b) => before(a.route.match, b.route.match)).map(({ route }) => route);
}

function before(a: IrMatch, b: IrMatch): number {
  // What stands in for a pattern is broader than it, and closed: nothing may go before it.
  return Number(b.path.standIn ?? false) - Number(a.path.standIn ?? false)
    || PATH_ORDER[a.path.kind] - PATH_ORDER[b.path.kind]
    || length(b) - length(a)                                                      // … the longest path, …
    || Number(b.method !== undefined) - Number(a.method !== undefined)            // … a method, …
    || b.headers.length - a.headers.length                                        // … the most headers, …
    || b.query.length - a.query.length;                                           // … the most query parameters
}

/** "/" matches every path, as no path at all does. */
function length({ path }: IrMatch): number { return path.kind === 'prefix' && path.value === '/' ? 0 : path.value.length; }
