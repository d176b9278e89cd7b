// What the ext_proc service has to know for this state: the policies that routes have their requests judged under there.
import { canonicalJson } from '../policy/canonical-json.ts';
import { oidcDocument } from '../policy/oidc.ts';
import { Secret } from '../policy/secret.ts';
import type { Ir, IrRoute } from './ir.ts';

/** `id`: of its content, and what the route asks for. The document may hold secrets, so all of it is one. */
export interface ExtprocPolicy { readonly processor: string; readonly id: string; readonly document: Secret }

/** A key that no two of them share. */
export function policyKey({ processor, id }: Pick<ExtprocPolicy, 'processor' | 'id'>): string { return `${processor} ${id}`; }

/** Each once, whatever the number of routes. */
export function policies({ gateways }: Ir): ExtprocPolicy[] {
  const routes = gateways.flatMap(({ routeTables }) => routeTables.flatMap(({ virtualHosts }) => virtualHosts.flatMap((host) => host.routes)));
  const found = new Map(routes.flatMap(policiesOf).map((policy) => [policyKey(policy), policy]));
  return [...found.values()].map(({ processor, id, document }) => ({ processor, id, document: document() }));
}

/** Of one route; `kind`: of the objects that people write them in. The one place that knows which of a route's policies the service carries out. */
export function policiesOf({ oidc, resolver }: IrRoute): { readonly processor: string; readonly id: string; readonly kind: string; readonly document: () => Secret }[] {
  return [
    ...(oidc === undefined ? [] : [{ processor: 'oidc', id: oidc.id, kind: 'SecurityPolicy', document: () => oidcDocument(oidc.policy) }]),
    ...(resolver === undefined ? [] : [{ processor: 'resolver', id: resolver.id, kind: 'ResolverPolicy', document: () => new Secret(canonicalJson(resolver.policy)) }]),
  ];
}
