// What Envoy refuses to load is refused, with its words.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LoadError, Vm } from 'proxy-wasm-as/vm';
import { compile } from './fixture.ts';

const marker = 'export function proxy_abi_version_0_2_1(): void {}\n';
const allocator = 'export function proxy_on_memory_allocate(size: usize): usize { return heap.alloc(size); }\n';
const quiet = 'function abort(a: string | null, b: string | null, c: u32, d: u32): void { unreachable(); }\n';
const least = marker + allocator + quiet;

test.each<{ name: string; source: string; options?: string[]; message: string }>([
  { name: 'no ABI marker', source: allocator + quiet, message: 'Missing or unknown Proxy-Wasm ABI version' },
  { name: 'an ABI to come', source: `export function proxy_abi_version_0_3_0(): void {}\n${allocator}${quiet}`, message: 'Missing or unknown Proxy-Wasm ABI version' },
  { name: 'no allocator', source: marker + quiet, message: 'Wasm module is missing malloc function.' },
  { name: 'env.abort', source: `${marker}${allocator}export function f(): void { throw new Error("x"); }`, options: [], message: 'Failed to load Wasm module due to a missing import: env.abort' },
  { name: 'env.seed', source: `${least}export function f(): f64 { return Math.random(); }`, message: 'Failed to load Wasm module due to a missing import: env.seed' },
  { name: 'a host function there is not', source: `${least}@external("env", "proxy_clear_route_cache") declare function g(): u32;\nexport function f(): u32 { return g(); }`, message: 'Failed to load Wasm module due to a missing import: env.proxy_clear_route_cache' },
  { name: 'a module there is not', source: `${least}@external("other", "g") declare function g(): u32;\nexport function f(): u32 { return g(); }`, message: 'Failed to load Wasm module due to a missing import: other.g' },
  { name: 'a host function of another type', source: `${least}@external("env", "proxy_log") declare function g(level: u32, p: usize): u32;\nexport function f(): u32 { return g(1, 2); }`, message: 'Failed to load Wasm module due to an import type mismatch: env.proxy_log, want: i32 i32 -> i32, but host exports: i32 i32 i32 -> i32' },
  { name: 'a callback of another type', source: `${least}export function proxy_on_tick(root: u32, more: u64): void {}`, message: 'Bad function signature for: proxy_on_tick, want: i32 -> void, but the module exports: i32 i64 -> void' },
  { name: 'a callback without its result', source: `${least}export function proxy_on_request_headers(context: u32, n: u32, end: u32): void {}`, message: 'Bad function signature for: proxy_on_request_headers, want: i32 i32 i32 -> i32, but the module exports: i32 i32 i32 -> void' },
])('$name', async ({ source, options = ['--use', 'abort=module/abort'], message }) => {
  const wasm = await compile('module', source, options);
  expect(() => Vm.load(wasm)).toThrow(new LoadError(message));
});

test('bytes that are no module', () => {
  expect(() => Vm.load(Uint8Array.of(1, 2, 3))).toThrow(new LoadError('Failed to load Wasm bytecode'));
});

test('the least there is: every callback is optional, by path as by bytes', async () => {
  const wasm = await compile('module', least);
  const path = join(mkdtempSync(join(tmpdir(), 'vm-')), 'least.wasm');
  writeFileSync(path, wasm);
  const vm = Vm.load(path);
  expect(vm.configured).toBe(true);
  expect(vm.request()).toMatchObject({ outcome: 'continued', response: { status: 200 } });
  expect(vm.connection().outcome).toBe('open');
});

test('malloc goes before proxy_on_memory_allocate, and nothing but output and clock may be called in it', async () => {
  const source = `${marker}${quiet}
@external("env", "proxy_log") declare function proxy_log(level: u32, p: usize, n: usize): u32;
@external("env", "proxy_get_property") declare function proxy_get_property(p: usize, n: usize, rp: usize, rn: usize): u32;
const out = memory.data(8);
const name = String.UTF8.encode("plugin_name");
const used = String.UTF8.encode("malloc");
let forbidden = false;
export function malloc(size: usize): usize {
  proxy_log(2, changetype<usize>(used), used.byteLength);
  if (forbidden) proxy_get_property(changetype<usize>(name), name.byteLength, out, out + 4);
  return heap.alloc(size);
}
export function proxy_on_memory_allocate(size: usize): usize { unreachable(); return 0; }
export function proxy_on_request_headers(context: u32, n: u32, end: u32): u32 {
  proxy_get_property(changetype<usize>(name), name.byteLength, out, out + 4);
  forbidden = true;
  return 0;
}`;
  const vm = Vm.load(await compile('module', source), { pluginName: 'p' });
  expect(vm.request().outcome).toBe('continued');
  expect(vm.logs).toEqual([{ level: 'info', message: 'malloc' }]);
  expect(vm.request().response?.details).toBe('wasm_fail_stream');
  expect(vm.lastTrap?.message).toBe('restricted_callback');
});

test('during start only output, clock, random and environment may be called', async () => {
  const call = (name: string, parameters: string, values: string): string => `${least}@external("env", "${name}") declare function g(${parameters}): u32;\ng(${values});`;
  const log = Vm.load(await compile('module', call('proxy_log', 'a: u32, b: usize, c: usize', '2, 0, 0')));
  expect({ dead: log.dead, configured: log.configured }).toEqual({ dead: false, configured: true });
  const tick = Vm.load(await compile('module', call('proxy_set_tick_period_milliseconds', 'a: u32', '5')));
  expect({ dead: tick.dead, configured: tick.configured, message: tick.lastTrap?.message }).toEqual({ dead: true, configured: false, message: 'restricted_callback' });
});

test('the environment is what the options say', async () => {
  const source = `${least}
@external("wasi_snapshot_preview1", "environ_sizes_get") declare function sizes(count: usize, size: usize): u32;
@external("wasi_snapshot_preview1", "environ_get") declare function environ(list: usize, text: usize): u32;
@external("env", "proxy_log") declare function proxy_log(level: u32, p: usize, n: usize): u32;
const list = memory.data(16);
const text = memory.data(64);
export function proxy_on_configure(root: u32, size: u32): u32 {
  sizes(list, list + 4);
  const n = load<u32>(list + 4);
  environ(list, text);
  proxy_log(2, load<u32>(list + 4), 3);
  proxy_log(2, text, n);
  return 1;
}`;
  const vm = Vm.load(await compile('module', source), { environment: { A: '1', B: '2' } });
  expect(vm.logs.map(({ message }) => message)).toEqual(['B=2', 'A=1\0B=2\0']);
});
