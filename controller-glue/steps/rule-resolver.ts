// What the resolver asks of the requests of one rule: there is a policy wherever a rule leads to a DynamicResolver, the defaults where nobody wrote one.
import { canonicalJson } from '../../policy/canonical-json.ts';
import { ResolverPolicy, type ResolverRoute } from '../../policy/resolver.ts';
import { contentId } from '../content-id.ts';
import type { Draft } from '../draft.ts';
import type { IrAction, IrRoute } from '../ir.ts';
import { applied, deciding } from './deciding.ts';

const DEFAULTS = ResolverPolicy.parse({});

export function resolverOf(action: IrAction, places: readonly string[], draft: Draft): Pick<IrRoute, 'resolver'> {
  if (action.kind !== 'forward') return {};
  const cluster = action.shares.map((share) => ('cluster' in share ? draft.clusters.get(share.cluster) : undefined)).find((each) => each?.kind === 'dynamic');
  if (cluster?.kind !== 'dynamic') return {};
  const policy: ResolverRoute = { policy: applied(deciding('ResolverPolicy', places, draft)) ?? DEFAULTS, tls: cluster.tls !== undefined };
  return { resolver: { id: contentId(canonicalJson(policy)), policy } };
}
