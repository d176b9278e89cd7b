// The network filter that comes first in every chain: it limits connections, whatever they carry.
import type { TypedExtensionConfigJson } from '../../proto/envoy/config/core/v3/extension_pb.js';
import type { FilterJson } from '../../proto/envoy/config/listener/v3/listener_components_pb.js';
import type { ConfigJson } from '../../proto/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.js';
import type { WasmJson } from '../../proto/envoy/extensions/filters/network/wasm/v3/wasm_pb.js';
import { canonicalJson } from '../../policy/canonical-json.ts';
import type { IrChain, IrListener } from '../ir.ts';
import { any } from './any.ts';
import { ads } from './config-source.ts';

const CONNECTION_LIMIT = 'gatewright.connection_limit';
const WASM = 'envoy.extensions.filters.network.wasm.v3.Wasm';
/** Envoy's own filter that, without rules, does nothing: what stands in the chain as long as there is nothing to limit, for no wasm costs nothing. */
const NOTHING = 'envoy.extensions.filters.network.set_filter_state.v3.Config';

/** The resource that a chain's filter is made from. */
export function connectionFilterName(chain: string): string { return `${CONNECTION_LIMIT}/${chain}`; }

/** By ECDS, and either of two filters: a first limit, a changed one and the end of the last one are no change of the listener, and cut no connection (DESIGN 7). */
export function connectionFilter({ name }: IrChain): FilterJson {
  return { name: connectionFilterName(name), configDiscovery: { configSource: ads, typeUrls: [WASM, NOTHING].map((type) => `type.googleapis.com/${type}`) } };
}

export function connectionFilters(listeners: readonly IrListener[], module: Uint8Array): TypedExtensionConfigJson[] {
  return listeners.flatMap(({ chains }) => chains.map((chain) => ({ name: connectionFilterName(chain.name), typedConfig: typedConfig(chain, module) })));
}

function typedConfig({ name, limits }: IrChain, module: Uint8Array) {
  if (limits.length === 0) return any<ConfigJson>(NOTHING, {});
  return any<WasmJson>(WASM, {
    config: {
      name: connectionFilterName(name), rootId: CONNECTION_LIMIT,
      // A trap closes the connections that come until the VM is back, and no other.
      failurePolicy: 'FAIL_RELOAD',
      vmConfig: { vmId: 'gatewright', runtime: 'envoy.wasm.runtime.v8', code: { local: { inlineBytes: Buffer.from(module).toString('base64') } } },
      configuration: any('google.protobuf.StringValue', { value: canonicalJson({ connections: { listener: name, limits } }) }),
    },
  });
}
