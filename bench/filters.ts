// Filters as bench/ puts them in place: ours as the controller sends them, an empty wasm filter, and the Rust twins.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { any } from './rounds.ts';
import type { Json } from './rounds.ts';

export const plain: Json = { name: 'plain', match: { prefix: '/' } };
export const guard: Json = { name: 'gatewright.guard', typedConfig: any('envoy.extensions.filters.http.rbac.v3.RBAC') };

function plugin(name: string, module: Uint8Array, configuration: Json): Json {
  return {
    name, rootId: name, failurePolicy: 'FAIL_RELOAD',
    vmConfig: { vmId: 'gatewright', runtime: 'envoy.wasm.runtime.v8', code: { local: { inlineBytes: Buffer.from(module).toString('base64') } } },
    configuration: any('google.protobuf.StringValue', { value: JSON.stringify(configuration) }),
  };
}
const built = (name: string): Uint8Array => readFileSync(new URL(`../build/${name}.wasm`, import.meta.url));

/** A filter of ours, off but where a route switches it on. */
export const wasm = (name: string, module: string, configuration: Json): Json => filter(name, built(module), configuration);
function filter(name: string, module: Uint8Array, configuration: Json): Json {
  return { name, disabled: true, typedConfig: any('envoy.extensions.filters.http.wasm.v3.Wasm', { config: plugin(name, module, configuration) }) };
}
export function networkWasm(name: string, module: Uint8Array, configuration: Json): Json {
  return { name, typedConfig: any('envoy.extensions.filters.network.wasm.v3.Wasm', { config: plugin(name, module, configuration) }) };
}
export const ourConnectionLimit = (configuration: Json): Json => networkWasm('gatewright.connection_limit', built('connection-limit'), configuration);

/** The least that a wasm filter can be: it is called with the headers and says "go on". */
export function emptyFilter(): Json {
  compile(process.execPath, ['node_modules/assemblyscript/bin/asc.js', 'bench/empty-filter.ts', '-O3', '--runtime', 'stub', '-o', 'build/bench-empty.wasm'], 'npm run setup installs what is needed');
  return { ...filter('empty', built('bench-empty'), {}), disabled: false };
}

/** The same work on the Rust SDK. */
export function rustTwin(feature: 'fault' | 'connection-limit'): Uint8Array {
  const target = 'build/rust-twin';
  compile('cargo', ['build', '--quiet', '--release', '--target', 'wasm32-wasip1', '--manifest-path', 'bench/rust-twin/Cargo.toml', '--target-dir', target, '--features', feature], 'Rust is needed: install rustup, then `rustup target add wasm32-wasip1`');
  return readFileSync(`${target}/wasm32-wasip1/release/gatewright_rust_twin.wasm`);
}
export const rustFilter = (name: string, module: Uint8Array): Json => filter(name, module, {});

function compile(command: string, parameters: readonly string[], hint: string): void {
  const { status, error } = spawnSync(command, parameters, { stdio: 'inherit' });
  if (error || status !== 0) throw new Error(`${command} failed: ${hint}`);
}
