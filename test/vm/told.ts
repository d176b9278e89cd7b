// Runs fixtures/script.ts: a script in, what the filter told about it out.
import type { Exchange, HeadersInput, RequestOptions, Vm } from 'proxy-wasm-as/vm';

/** Log lines of one request that carries a script, and the exchange itself. */
export function told(vm: Vm, script: string, headers: Readonly<Record<string, string | readonly string[]>> = {}, options: RequestOptions = {}): { lines: string[]; exchange: Exchange } {
  const before = vm.logs.length;
  const exchange = vm.request({ ...headers, 'x-script': script } as HeadersInput, options);
  return { lines: vm.logs.slice(before).map(({ message }) => message), exchange };
}

/** Bytes as a script writes them. */
export function escape(bytes: Uint8Array | string): string {
  return [...Buffer.from(bytes)].map((byte) => (/[A-Za-z0-9._-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`)).join('');
}
