// An empty wasm filter: what Envoy's wasm host itself costs a request.
// @ts-nocheck: AssemblyScript
export function proxy_abi_version_0_2_1(): void {}
export function proxy_on_memory_allocate(size: usize): usize { return heap.alloc(size); }
export function proxy_on_request_headers(id: u32, count: u32, endOfStream: u32): u32 { return 0; }
