// What the ext_proc service cannot be asked about is closed until it can: the routes that need it, and no others; and their objects say so.
import { withCondition } from './condition.ts';
import { condition } from './draft.ts';
import { policiesOf, policyKey } from './extproc-policies.ts';
import type { IrGateway, IrRoute, ObjectRef } from './ir.ts';
import { problemAt } from './problem-at.ts';
import { type Resource, type Resources, objectKey } from './resources.ts';
import type { ObjectStatus, ParentReference } from './status.ts';
import type { Translated } from './translate.ts';

/** Policies, by policyKey, and why the service does not have them. */
export type Unserved = ReadonlyMap<string, string>;

export function closeUnserved({ ir, statuses, problems }: Translated, resources: Resources, unserved: Unserved): Translated {
  if (unserved.size === 0) return { ir, statuses, problems };
  /** Objects whose requests are answered 500, by the Gateways they are so on. */
  const told = new Map<string, { readonly message: string; readonly gateways: Set<string> }>();
  const gateways = ir.gateways.map((gateway): IrGateway => ({
    ...gateway,
    routeTables: gateway.routeTables.map((table) => ({ ...table, virtualHosts: table.virtualHosts.map((host) => ({ ...host, routes: host.routes.map((route) => {
      const missing = policiesOf(route).find((policy) => unserved.has(policyKey(policy)));
      if (missing === undefined) return route;
      const message = `answers 500 where it needs the ext_proc service, which is not available: ${unserved.get(policyKey(missing))}`;
      for (const owner of route.owners.filter((each, i) => i === 0 || each.kind === missing.kind)) {
        const known = told.get(objectKey(owner)) ?? { message, gateways: new Set() };
        told.set(objectKey(owner), known);
        known.gateways.add(`${gateway.namespace}/${gateway.name}`);
      }
      return closed(route);
    }) })) })),
  }));
  const found = (Object.values(resources).flat() as Resource<unknown>[]).filter(({ ref }) => told.has(objectKey(ref)));
  const own = new Map(found.map((resource) => [objectKey(resource.ref), resource]));
  return {
    ir: { gateways },
    statuses: statuses.map((status) => {
      const resource = own.get(objectKey(refOf(status)));
      const about = resource && told.get(objectKey(resource.ref));
      return about === undefined ? status : withMessage(status, resource as Resource<unknown>, about);
    }),
    problems: [...problems, ...[...own.values()].map((resource) => problemAt(resource, { path: 'spec', message: told.get(objectKey(resource.ref))?.message ?? '' }))],
  };
}

/** Nothing of its policies is left to be asked: they would say what their requests are, to no use. */
function closed({ name, owners, match }: IrRoute): IrRoute {
  return { name, owners, match, action: { kind: 'respond', status: 500, reason: 'gatewright_extproc_unavailable' } };
}

function withMessage(object: ObjectStatus, resource: Resource<unknown>, { message, gateways }: { readonly message: string; readonly gateways: ReadonlySet<string> }): ObjectStatus {
  const said = condition(resource, 'Programmed', false, 'ExtprocUnavailable', message);
  const here = ({ namespace, name }: ParentReference): boolean => gateways.has(`${namespace}/${name}`);
  const { parents, ancestors } = object.status;
  return { ...object, status: {
    ...object.status,
    ...(parents && { parents: parents.map((each) => (here(each.parentRef) ? { ...each, conditions: withCondition(each.conditions, said) } : each)) }),
    ...(ancestors && { ancestors: ancestors.map((each) => (here(each.ancestorRef) ? { ...each, conditions: withCondition(each.conditions, said) } : each)) }),
  } };
}

function refOf({ apiVersion, kind, metadata: { namespace = '', name } }: ObjectStatus): ObjectRef {
  return { group: apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '', kind, namespace, name };
}
