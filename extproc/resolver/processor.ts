// The dynamic resolver as an ext_proc processor: after authorization, before the guard. Envoy dials what `address` says and nothing else:
// ORIGINAL_DST takes it from this metadata, and without it there is a 503.
import { ResolverRoute } from '../../policy/resolver.ts';
import { Policies } from '../policies.ts';
import type { Authorizer } from '../processor.ts';
import type { Decision } from '../reply.ts';
import type { Refusal } from './decide.ts';
import type { CompiledRoute, Resolver, Target } from './resolver.ts';

/** Namespace of the verdict, and of what Envoy dials. All values are text: a wasm filter reads no other. */
const NAMESPACE = 'gatewright.resolver';

/** In `request_attributes`: what the wasm filter before us saw Envoy fail to connect to. Only filters set filter state, no client does. */
export const FAILED_ATTRIBUTE = "filter_state['wasm.gatewright.resolver.failed']";

// DNS takes 10 s at most, connections to several addresses 3.25 s. Envoy's message_timeout must be longer.
const DEADLINE_MS = 14_000;

/** `refused` is told what the client is not: which class of address it was, or what is wrong with the host. Neither names the host. */
export function resolverProcessor(resolver: Resolver, refused: (refusal: Refusal) => void = () => undefined): Authorizer<CompiledRoute> {
  return {
    name: 'resolver',
    authorizes: true,
    deadline: DEADLINE_MS,
    policies: new Policies((document) => resolver.compile(ResolverRoute.parse(document))),
    async onRequestHeaders({ headers }, stream) {
      const failed = stream.attribute(FAILED_ATTRIBUTE);
      if (typeof failed === 'string' && failed !== '') resolver.failed(failed);
      // Two authorities would be one with a comma in it, and that is no host.
      const authority = headers.get(':authority') ?? '';
      const result = await resolver.resolve(authority, stream.policy);
      if (result.kind === 'target') return pass(result, authority);
      refused(result);
      return { kind: 'respond', status: result.status, body: `${result.body}\n`, details: result.reason };
    },
  };
}

function pass({ dial, authority, validForMs }: Target, asked: string): Decision {
  return {
    kind: 'pass',
    // The name that was checked is the one upstream sees, and SNI and certificates are checked against.
    ...(authority === asked ? {} : { set: [[':authority', authority]] }),
    // What is sent under another name must come by here each time: beside Envoy nothing rewrites it.
    metadata: { [NAMESPACE]: { address: dial, valid_for_ms: String(authority === asked ? validForMs : 0) } },
  };
}
