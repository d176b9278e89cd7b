// What a filter may ask of its host, written down: an import that no proxy-wasm host has would keep it from loading there.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** By filter: host functions, and the callbacks it has (each costs a call a request). */
const written: Readonly<Record<string, { readonly imports: readonly string[]; readonly callbacks: readonly string[] }>> = {
  fault: {
    imports: [
      'env.proxy_close_stream', 'env.proxy_continue_stream', 'env.proxy_define_metric', 'env.proxy_dequeue_shared_queue', 'env.proxy_enqueue_shared_queue',
      'env.proxy_get_buffer_bytes', 'env.proxy_get_current_time_nanoseconds', 'env.proxy_get_header_map_pairs', 'env.proxy_get_header_map_value', 'env.proxy_get_property',
      'env.proxy_get_shared_data', 'env.proxy_increment_metric', 'env.proxy_log', 'env.proxy_register_shared_queue', 'env.proxy_remove_header_map_value', 'env.proxy_replace_header_map_value', 'env.proxy_send_local_response', 'env.proxy_set_effective_context',
      'env.proxy_set_shared_data', 'env.proxy_set_tick_period_milliseconds', 'wasi_snapshot_preview1.clock_time_get', 'wasi_snapshot_preview1.fd_write',
      'wasi_snapshot_preview1.proc_exit', 'wasi_snapshot_preview1.random_get',
    ],
    callbacks: [
      'proxy_on_configure', 'proxy_on_context_create', 'proxy_on_delete', 'proxy_on_memory_allocate', 'proxy_on_queue_ready', 'proxy_on_request_headers', 'proxy_on_response_body',
      'proxy_on_response_headers', 'proxy_on_response_trailers', 'proxy_on_tick', 'proxy_on_vm_start',
    ],
  },
  'connection-limit': {
    imports: [
      'env.proxy_close_stream', 'env.proxy_define_metric', 'env.proxy_dequeue_shared_queue', 'env.proxy_enqueue_shared_queue', 'env.proxy_get_buffer_bytes',
      'env.proxy_get_current_time_nanoseconds', 'env.proxy_get_header_map_pairs', 'env.proxy_get_header_map_value', 'env.proxy_get_property', 'env.proxy_get_shared_data',
      'env.proxy_increment_metric', 'env.proxy_log', 'env.proxy_register_shared_queue', 'env.proxy_send_local_response',
      'env.proxy_set_effective_context', 'env.proxy_set_property', 'env.proxy_set_shared_data', 'env.proxy_set_tick_period_milliseconds', 'wasi_snapshot_preview1.clock_time_get',
      'wasi_snapshot_preview1.fd_write', 'wasi_snapshot_preview1.proc_exit', 'wasi_snapshot_preview1.random_get',
    ],
    callbacks: ['proxy_on_configure', 'proxy_on_context_create', 'proxy_on_delete', 'proxy_on_downstream_data', 'proxy_on_memory_allocate', 'proxy_on_new_connection', 'proxy_on_queue_ready', 'proxy_on_request_headers', 'proxy_on_tick', 'proxy_on_vm_start'],
  },
  resolver: {
    imports: [
      'env.proxy_call_foreign_function', 'env.proxy_define_metric', 'env.proxy_get_buffer_bytes', 'env.proxy_get_current_time_nanoseconds', 'env.proxy_get_header_map_pairs', 'env.proxy_get_header_map_value',
      'env.proxy_get_property', 'env.proxy_increment_metric', 'env.proxy_log', 'env.proxy_send_local_response', 'env.proxy_set_property', 'wasi_snapshot_preview1.clock_time_get', 'wasi_snapshot_preview1.fd_write',
      'wasi_snapshot_preview1.proc_exit', 'wasi_snapshot_preview1.random_get',
    ],
    callbacks: ['proxy_on_configure', 'proxy_on_context_create', 'proxy_on_delete', 'proxy_on_memory_allocate', 'proxy_on_request_headers', 'proxy_on_response_headers', 'proxy_on_vm_start'],
  },
  session: {
    imports: [
      'env.proxy_call_foreign_function', 'env.proxy_define_metric', 'env.proxy_get_buffer_bytes', 'env.proxy_get_current_time_nanoseconds', 'env.proxy_get_header_map_pairs',
      'env.proxy_get_property', 'env.proxy_increment_metric', 'env.proxy_log', 'env.proxy_remove_header_map_value', 'env.proxy_replace_header_map_value', 'env.proxy_set_property',
      'wasi_snapshot_preview1.fd_write', 'wasi_snapshot_preview1.proc_exit',
    ],
    callbacks: ['proxy_on_configure', 'proxy_on_context_create', 'proxy_on_delete', 'proxy_on_memory_allocate', 'proxy_on_request_headers', 'proxy_on_response_headers', 'proxy_on_vm_start'],
  },
  jwt: {
    imports: [
      'env.proxy_call_foreign_function', 'env.proxy_continue_stream', 'env.proxy_define_metric', 'env.proxy_dequeue_shared_queue', 'env.proxy_enqueue_shared_queue',
      'env.proxy_get_buffer_bytes', 'env.proxy_get_current_time_nanoseconds', 'env.proxy_get_header_map_pairs', 'env.proxy_get_header_map_value', 'env.proxy_get_property',
      'env.proxy_http_call', 'env.proxy_increment_metric', 'env.proxy_log', 'env.proxy_register_shared_queue', 'env.proxy_remove_header_map_value',
      'env.proxy_replace_header_map_value', 'env.proxy_send_local_response', 'env.proxy_set_effective_context', 'env.proxy_set_property',
      'env.proxy_set_tick_period_milliseconds', 'wasi_snapshot_preview1.fd_write', 'wasi_snapshot_preview1.proc_exit', 'wasi_snapshot_preview1.random_get',
    ],
    callbacks: ['proxy_on_configure', 'proxy_on_context_create', 'proxy_on_delete', 'proxy_on_http_call_response', 'proxy_on_memory_allocate', 'proxy_on_queue_ready', 'proxy_on_request_headers', 'proxy_on_tick', 'proxy_on_vm_start'],
  },
};

test.each(readdirSync(join(root, 'filters')))('%s', (filter) => {
  const file = join(root, 'build', `${filter}.wasm`);
  const module = new WebAssembly.Module(readFileSync(file));
  expect(WebAssembly.Module.imports(module).map(({ module: from, name }) => `${from}.${name}`).sort()).toEqual(written[filter]?.imports);
  expect(WebAssembly.Module.exports(module).map(({ name }) => name).filter((name) => name.startsWith('proxy_on')).sort()).toEqual(written[filter]?.callbacks);
  expect(statSync(file).size).toBeLessThan(128 * 1024);
});
