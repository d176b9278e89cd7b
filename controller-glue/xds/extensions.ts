// The HTTP filter chain, in one place and in order, and the filters that Envoy fetches by ECDS.
import { canonicalJson } from '../../policy/canonical-json.ts';
import type { TypedExtensionConfigJson } from '../../proto/envoy/config/core/v3/extension_pb.js';
import type { CorsJson } from '../../proto/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import type { RBACJson } from '../../proto/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import type { RouterJson } from '../../proto/envoy/extensions/filters/http/router/v3/router_pb.js';
import type { WasmJson } from '../../proto/envoy/extensions/filters/http/wasm/v3/wasm_pb.js';
import type { HttpFilterJson } from '../../proto/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { any } from './any.ts';
import { ads } from './config-source.ts';
import { oidcProcessor, resolverProcessor } from './processors.ts';

export const WASM = 'envoy.extensions.filters.http.wasm.v3.Wasm';
export const FAULT = 'gatewright.fault';
export const CORS = 'envoy.filters.http.cors';
export const SESSION = 'gatewright.session';
export const JWT = 'gatewright.jwt';
export const FAULT_AFTER = 'gatewright.fault_after';
export const CONCURRENCY = 'gatewright.concurrency';
export const RESOLVED = 'gatewright.resolved';
export const GUARD = 'gatewright.guard';

/** The compiled filters, by name. */
export interface WasmModules { readonly jwt: Uint8Array; readonly fault: Uint8Array; readonly connectionLimit: Uint8Array; readonly resolver: Uint8Array; readonly session: Uint8Array }

/** Without their code: for printing. */
export const NO_CODE: WasmModules = { jwt: new Uint8Array(), fault: new Uint8Array(), connectionLimit: new Uint8Array(), resolver: new Uint8Array(), session: new Uint8Array() };

/** Public keys (RFC 7517), by which Envoy knows what the login service has signed. Rotation is no change of any policy: they are not part of the Ir. */
export interface JwkSet { readonly keys: readonly Readonly<Record<string, unknown>>[] }
export const NO_KEYS: JwkSet = { keys: [] };

/** A filter whose code and configuration Envoy fetches by ECDS. */
interface WasmFilter { readonly name: string; readonly module: keyof WasmModules; readonly configuration: (sessionKeys: JwkSet) => object }

/**
 * Why this order (DESIGN 20): a request that is going to be aborted should cost nothing, so faults come first, but for those that ask for claims; cors answers
 * preflights, which bring neither cookie nor token, before anybody asks for one, and what the others refuse gets its headers; the login comes before jwt, which
 * judges the claims of its sessions too; requests are counted only once they are let in; the resolver after it, so that an anonymous client never makes us
 * resolve a name. The guard is the last before the router and is never disabled: which filters are on is decided on the route chosen when the chain is built,
 * and only the guard looks at the route that is taken in the end (DESIGN 4).
 * Every filter is always in the chain: a first policy must not touch the listener.
 */
const chain: readonly (WasmFilter | HttpFilterJson)[] = [
  { name: FAULT, module: 'fault', configuration: () => ({ source: 'route', stage: 'BeforeAuthorization' }) },
  { name: CORS, disabled: true, typedConfig: any<CorsJson>('envoy.extensions.filters.http.cors.v3.Cors', {}) },
  { name: SESSION, module: 'session', configuration: (keys) => ({ source: 'route', keys }) },
  oidcProcessor,
  { name: JWT, module: 'jwt', configuration: () => ({ source: 'route' }) },
  { name: FAULT_AFTER, module: 'fault', configuration: () => ({ source: 'route', stage: 'AfterAuthorization' }) },
  { name: CONCURRENCY, module: 'connectionLimit', configuration: () => ({ requests: { source: 'route' } }) },
  { name: RESOLVED, module: 'resolver', configuration: () => ({ source: 'route' }) },
  resolverProcessor,
  { name: GUARD, typedConfig: any<RBACJson>('envoy.extensions.filters.http.rbac.v3.RBAC', {}) },
  { name: 'envoy.filters.http.router', typedConfig: any<RouterJson>('envoy.extensions.filters.http.router.v3.Router', { suppressEnvoyHeaders: true }) },
];

export const httpFilters: readonly HttpFilterJson[] = chain.map((filter) =>
  ('module' in filter ? { name: filter.name, disabled: true, configDiscovery: { configSource: ads, typeUrls: [`type.googleapis.com/${WASM}`] } } : filter));

const wasmFilters = chain.filter((filter) => 'module' in filter);

export function extensions(modules: WasmModules, sessionKeys: JwkSet): TypedExtensionConfigJson[] {
  return wasmFilters.map(({ name, module, configuration }) => wasmFilter(name, modules[module], configuration(sessionKeys)));
}

/** The one that changes with the keys. */
export function sessionExtension(modules: WasmModules, sessionKeys: JwkSet): TypedExtensionConfigJson[] {
  return extensions({ ...NO_CODE, session: modules.session }, sessionKeys).filter(({ name }) => name === SESSION);
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
