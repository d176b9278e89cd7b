// The filters that ask the ext_proc service, each once in the chain and disabled there: a route turns it on and says by which policy it is to be judged.
import type { RetryPolicyJson } from '../../proto/envoy/config/core/v3/base_pb.js';
import type { ExtensionWithMatcherJson } from '../../proto/envoy/extensions/common/matching/v3/extension_matcher_pb.js';
import type { ExecuteFilterActionJson } from '../../proto/envoy/extensions/filters/http/composite/v3/composite_pb.js';
import type { ExternalProcessorJson } from '../../proto/envoy/extensions/filters/http/ext_proc/v3/ext_proc_pb.js';
import type { ProcessingModeJson } from '../../proto/envoy/extensions/filters/http/ext_proc/v3/processing_mode_pb.js';
import type { HttpFilterJson } from '../../proto/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { any } from './any.ts';
import { EXTPROC_CLUSTER } from './bootstrap.ts';

export const OIDC = 'gatewright.oidc';
export const RESOLVER = 'gatewright.resolver';

const headersOnly = { requestHeaderMode: 'SEND', responseHeaderMode: 'SKIP', requestTrailerMode: 'SKIP', responseTrailerMode: 'SKIP' } as const satisfies ProcessingModeJson;

/** A worker that dies has answered nothing of what it had in hand: another one is asked the same. Envoy counts these as retries, of which a cluster has three at a time (bootstrap.ts). */
const elsewhere: RetryPolicyJson = { retryOn: 'reset,connect-failure,refused-stream', numRetries: 3, retryBackOff: { baseInterval: '0.005s', maxInterval: '0.050s' } };

/**
 * The login: it is told all of a request's headers, and may change any but those that say where the request goes. It asks for the headers of the answer where
 * it has cookies to set there, and for the body of what a provider posts.
 */
export const oidcProcessor = processor(OIDC, {
  processingMode: headersOnly,
  allowModeOverride: true,
  allowedOverrideModes: [{ ...headersOnly, responseHeaderMode: 'SEND' }, { ...headersOnly, requestBodyMode: 'BUFFERED' }],
  requestAttributes: ['request.id', 'source.address'],
  // It waits for the provider: two tries of discovery, and of the token endpoint.
  messageTimeout: '25s',
  // Nor host and x-envoy-*, which are never changed unless it is said.
  mutationRules: { disallowSystem: true, disallowIsError: true },
});

/** The resolver: it is told the host of a request and nothing else of it, and may change that host's spelling and nothing else. */
export const resolverProcessor = processor(RESOLVER, {
  processingMode: { requestHeaderMode: 'SEND', responseHeaderMode: 'SKIP' },
  forwardRules: { allowedHeaders: { patterns: [{ exact: ':authority' }] } },
  requestAttributes: ["filter_state['wasm.gatewright.resolver.failed']"],
  // The processor itself gives up after 14 s.
  messageTimeout: '15s',
  mutationRules: { disallowAll: true, allowExpression: { regex: ':authority' }, disallowIsError: true },
});

/**
 * What does not answer, or ends without an answer, lets nothing pass: an error is a 503, and the guard sees to the rest (DESIGN 9).
 * Not asked where the filter before it says so (DESIGN 13). Only filters set filter state; that one writes it for every request. Composite makes the
 * ext_proc filter only where it is to be asked: to make one and skip it costs Envoy some 5 µs.
 */
function processor(name: string, settings: ExternalProcessorJson): HttpFilterJson {
  const asked = any<ExecuteFilterActionJson>('envoy.extensions.filters.http.composite.v3.ExecuteFilterAction', {
    typedConfig: { name, typedConfig: any<ExternalProcessorJson>('envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor', {
      grpcService: { envoyGrpc: { clusterName: EXTPROC_CLUSTER }, retryPolicy: elsewhere },
      ...settings,
      routeCacheAction: 'RETAIN',
      metadataOptions: { receivingNamespaces: { untyped: [name] } },
      statusOnError: { code: 'ServiceUnavailable' },
    }) },
  });
  return { name, disabled: true, typedConfig: any<ExtensionWithMatcherJson>('envoy.extensions.common.matching.v3.ExtensionWithMatcher', {
    extensionConfig: { name, typedConfig: any('envoy.extensions.filters.http.composite.v3.Composite', {}) },
    xdsMatcher: {
      matcherTree: {
        input: { name: 'skip', typedConfig: any('envoy.extensions.matching.common_inputs.network.v3.FilterStateInput', { key: `wasm.${name}.skip` }) },
        exactMatchMap: { map: { yes: { action: { name: 'skip', typedConfig: any('envoy.extensions.filters.common.matcher.action.v3.SkipFilter', {}) } } } },
      },
      onNoMatch: { action: { name: 'ask', typedConfig: asked } },
    },
  }) };
}
