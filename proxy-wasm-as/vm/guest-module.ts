// Turns bytes into a module that Envoy would accept, or says why it would not.
import { readFileSync } from 'node:fs';
import { abiVersions, callbackSignatures, envFunctions, type Signature, wasiFunctions } from './abi.ts';
import { LoadError } from './load-error.ts';
import { functionTypes, printSignature } from './signatures.ts';

/**
 * Compiles and checks a module: ABI marker, imports and their types, signatures of the callbacks, an allocator.
 * Throws LoadError with Envoy's own message (proxy-wasm-cpp-host, wasm.cc and v8.cc).
 */
export function guestModule(pathOrBytes: string | URL | Uint8Array): WebAssembly.Module {
  const bytes = pathOrBytes instanceof Uint8Array ? pathOrBytes : readFileSync(pathOrBytes);
  const module = compile(bytes);
  const exported = new Set(WebAssembly.Module.exports(module).map(({ name }) => name));
  if (!abiVersions.some((marker) => exported.has(marker))) throw new LoadError('Missing or unknown Proxy-Wasm ABI version');
  const types = functionTypes(bytes);

  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    const offered = kind === 'function' ? hostSignature(from, name) : undefined;
    const key = `${from}.${name}`;
    if (offered === undefined) throw new LoadError(`Failed to load Wasm module due to a missing import: ${key}`);
    const wanted = types.imports.get(key);
    if (wanted !== undefined && wanted !== offered) {
      throw new LoadError(`Failed to load Wasm module due to an import type mismatch: ${key}, want: ${printSignature(wanted)}, but host exports: ${printSignature(offered)}`);
    }
  }
  for (const [name, wanted] of Object.entries(callbackSignatures)) {
    const found = types.exports.get(name);
    if (found !== undefined && found !== wanted) {
      throw new LoadError(`Bad function signature for: ${name}, want: ${printSignature(wanted)}, but the module exports: ${printSignature(found)}`);
    }
  }
  if (!exported.has('malloc') && !exported.has('proxy_on_memory_allocate')) throw new LoadError('Wasm module is missing malloc function.');
  return module;
}

function compile(bytes: Uint8Array): WebAssembly.Module {
  try {
    return new WebAssembly.Module(bytes);
  } catch (error) {
    throw new LoadError('Failed to load Wasm bytecode', { cause: error });
  }
}

function hostSignature(module: string, name: string): Signature | undefined {
  if (module === 'env') return Object.hasOwn(envFunctions, name) ? envFunctions[name] : undefined;
  if (module === 'wasi_snapshot_preview1' || module === 'wasi_unstable') return Object.hasOwn(wasiFunctions, name) ? wasiFunctions[name] : undefined;
  return undefined;
}
