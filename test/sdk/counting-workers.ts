// The workers of one Envoy, with the filter that counts (fixtures/counting.ts), and what they agreed on.
import { Clock, type Exchange, SharedData, Vm } from 'proxy-wasm-as/vm';
import { compileFilter } from './compile.ts';

export const wasm = compileFilter('counting');

export function workers(count: number, shared = new SharedData(), clock = new Clock()): Vm[] {
  return Array.from({ length: count }, () => Vm.load(wasm, { shared, clock }));
}
export const take = (vm: Vm | undefined, key = 'a', limit = 1, more: Record<string, string> = {}): Exchange => {
  if (vm === undefined) throw new Error('no such worker');
  return vm.request({ 'x-key': key, 'x-limit': String(limit), ...more });
};
export const taken = (exchange: Exchange): boolean => exchange.outcome === 'held';
/** How many the buckets hold entries of. */
export const entries = (shared: SharedData): number => shared.keys.filter((key) => /^gatewright\.counts\.\d+$/.test(key)).reduce((sum, key) => sum + (shared.get(key)?.value.length ?? 0) / 24, 0);
