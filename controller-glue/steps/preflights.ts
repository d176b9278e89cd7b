// A rule for some methods does not match OPTIONS, so a preflight for it would be another rule's, or nobody's. Where the rule has cors it is found by the method that
// the preflight asks for. A rule that its author gave OPTIONS on the same path goes before.
import type { IrMatch, IrRoute } from '../ir.ts';

/** `routes`: in the order they are tried. */
export function withPreflights(routes: readonly IrRoute[]): readonly IrRoute[] {
  const pathOf = ({ path }: IrMatch): string => `${path.kind} ${path.value}`;
  const own = new Set(routes.filter(({ match }) => match.method === 'OPTIONS').map(({ match }) => pathOf(match)));
  return routes.flatMap((route) => {
    const { name, match, cors } = route;
    if (cors === undefined || match.method === undefined || own.has(pathOf(match))) return [route];
    return [{ ...route, name: `${name}/preflight`, match: { ...match, method: 'OPTIONS', headers: [...match.headers, ...asking(match.method)] } }, route];
  });
}

/** By these Envoy's filter knows a preflight, and answers it whatever its origin: no request is sent to a backend that its rule was not meant for. */
function asking(method: string): IrMatch['headers'] {
  return [{ name: 'origin', kind: 'regex', value: '.+' }, { name: 'access-control-request-method', kind: 'exact', value: method }];
}
