// The compiled filters, from build/.
import { readFileSync } from 'node:fs';
import type { WasmModules } from '../controller-glue/xds/extensions.ts';

export function wasmModules(): WasmModules {
  const module = (name: string): Uint8Array => readFileSync(new URL(`../build/${name}.wasm`, import.meta.url));
  return { jwt: module('jwt'), fault: module('fault'), connectionLimit: module('connection-limit'), resolver: module('resolver'), session: module('session') };
}
