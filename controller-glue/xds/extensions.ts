// The HTTP filter chain, in one place and in order, and the filters that Envoy fetches by ECDS.
import { canonicalJson } from '../../policy/canonical-json.ts';
import type { TypedExtensionConfigJson } from '../../proto/envoy/config/core/v3/extension_pb.js';
import type { ExtensionWithMatcherJson } from '../../proto/envoy/extensions/common/matching/v3/extension_matcher_pb.js';
import type { ExecuteFilterActionJson } from '../../proto/envoy/extensions/filters/http/composite/v3/composite_pb.js';
import type { ExternalProcessorJson } from '../../proto/envoy/extensions/filters/http/ext_proc/v3/ext_proc_pb.js';
import type { RBACJson } from '../../proto/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import type { RouterJson } from '../../proto/envoy/extensions/filters/http/router/v3/router_pb.js';
import type { WasmJson } from '../../proto/envoy/extensions/filters/http/wasm/v3/wasm_pb.js';
import type { HttpFilterJson } from '../../proto/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { any } from './any.ts';
import { EXTPROC_CLUSTER } from './bootstrap.ts';
import { ads } from './config-source.ts';

export const WASM = 'envoy.extensions.filters.http.wasm.v3.Wasm';
export const FAULT = 'gatewright.fault';
export const JWT = 'gatewright.jwt';
export const FAULT_AFTER = 'gatewright.fault_after';
export const CONCURRENCY = 'gatewright.concurrency';
export const RESOLVED = 'gatewright.resolved';
export const RESOLVER = 'gatewright.resolver';
export const GUARD = 'gatewright.guard';

/** The compiled filters, by name. */
export interface WasmModules { readonly jwt: Uint8Array; readonly fault: Uint8Array; readonly connectionLimit: Uint8Array; readonly resolver: Uint8Array }

/** Without their code: for printing. */
export const NO_CODE: WasmModules = { jwt: new Uint8Array(), fault: new Uint8Array(), connectionLimit: new Uint8Array(), resolver: new Uint8Array() };

/**
 * Why this order (DESIGN 20): a request that is going to be aborted should cost nothing, so faults come first, but for those that ask for claims; cors
 * and oidc come before jwt once they are there; requests are counted only once they are let in; the resolver after it, so that an anonymous client
 * never makes us resolve a name. The guard is the last before the router and is never disabled: which filters are on is decided on the route chosen
 * when the chain is built, and only the guard looks at the route that is taken in the end (DESIGN 4).
 * Every filter is always in the chain: a first policy must not touch the listener.
 */
const wasmFilters: readonly { readonly name: string; readonly module: keyof WasmModules; readonly configuration: object }[] = [
  { name: FAULT, module: 'fault', configuration: { source: 'route', stage: 'BeforeAuthorization' } },
  { name: JWT, module: 'jwt', configuration: { source: 'route' } },
  { name: FAULT_AFTER, module: 'fault', configuration: { source: 'route', stage: 'AfterAuthorization' } },
  { name: CONCURRENCY, module: 'connectionLimit', configuration: { requests: { source: 'route' } } },
  { name: RESOLVED, module: 'resolver', configuration: { source: 'route' } },
];

/**
 * The resolver: it is told the host of a request and nothing else of it, and may change that host's spelling and nothing else. What does not answer, or
 * ends without an answer, lets nothing pass: an error is a 503, and the guard sees to the rest (DESIGN 9).
 */
const resolver: ExternalProcessorJson = {
  grpcService: { envoyGrpc: { clusterName: EXTPROC_CLUSTER } },
  processingMode: { requestHeaderMode: 'SEND', responseHeaderMode: 'SKIP' },
  forwardRules: { allowedHeaders: { patterns: [{ exact: ':authority' }] } },
  requestAttributes: ["filter_state['wasm.gatewright.resolver.failed']"],
  // The processor itself gives up after 14 s.
  messageTimeout: '15s',
  mutationRules: { disallowAll: true, allowExpression: { regex: ':authority' }, disallowIsError: true },
  routeCacheAction: 'RETAIN',
  metadataOptions: { receivingNamespaces: { untyped: [RESOLVER] } },
  statusOnError: { code: 'ServiceUnavailable' },
};

const asked = any<ExecuteFilterActionJson>('envoy.extensions.filters.http.composite.v3.ExecuteFilterAction', {
  typedConfig: { name: RESOLVER, typedConfig: any<ExternalProcessorJson>('envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor', resolver) },
});

/**
 * Not asked where the filter before it remembers what it said (DESIGN 13). Only filters set filter state; this one writes it for every request. Composite
 * makes the ext_proc filter only where it is to be asked: to make one and skip it costs Envoy some 5 µs.
 */
const askedOnce: ExtensionWithMatcherJson = {
  extensionConfig: { name: RESOLVER, typedConfig: any('envoy.extensions.filters.http.composite.v3.Composite', {}) },
  xdsMatcher: {
    matcherTree: {
      input: { name: 'skip', typedConfig: any('envoy.extensions.matching.common_inputs.network.v3.FilterStateInput', { key: `wasm.${RESOLVER}.skip` }) },
      exactMatchMap: { map: { yes: { action: { name: 'skip', typedConfig: any('envoy.extensions.filters.common.matcher.action.v3.SkipFilter', {}) } } } },
    },
    onNoMatch: { action: { name: 'ask', typedConfig: asked } },
  },
};

export const httpFilters: readonly HttpFilterJson[] = [
  ...wasmFilters.map(({ name }) => ({ name, disabled: true, configDiscovery: { configSource: ads, typeUrls: [`type.googleapis.com/${WASM}`] } })),
  { name: RESOLVER, disabled: true, typedConfig: any<ExtensionWithMatcherJson>('envoy.extensions.common.matching.v3.ExtensionWithMatcher', askedOnce) },
  { name: GUARD, typedConfig: any<RBACJson>('envoy.extensions.filters.http.rbac.v3.RBAC', {}) },
  { name: 'envoy.filters.http.router', typedConfig: any<RouterJson>('envoy.extensions.filters.http.router.v3.Router', { suppressEnvoyHeaders: true }) },
];

export function extensions(modules: WasmModules): TypedExtensionConfigJson[] {
  return wasmFilters.map(({ name, module, configuration }) => wasmFilter(name, modules[module], configuration));
}

function wasmFilter(name: string, module: Uint8Array, configuration: object): TypedExtensionConfigJson {
  return {
    name,
    typedConfig: any<WasmJson>(WASM, {
      config: {
        name, rootId: name,
        // A trap costs the requests in hand and a back-off, not the worker's VM for good (DESIGN 2).
        failurePolicy: 'FAIL_RELOAD',
        vmConfig: { vmId: 'gatewright', runtime: 'envoy.wasm.runtime.v8', code: { local: { inlineBytes: Buffer.from(module).toString('base64') } } },
        configuration: any('google.protobuf.StringValue', { value: canonicalJson(configuration) }),
      },
    }),
  };
}
