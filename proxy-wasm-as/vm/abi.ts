// The proxy-wasm ABI 0.2.1 as Envoy 1.40 implements it: numbers, and the signature of every import and export.

/** What a host function returns (WasmResult in proxy-wasm-cpp-host). */
export const Status = {
  Ok: 0, NotFound: 1, BadArgument: 2, SerializationFailure: 3, ParseFailure: 4, InvalidMemoryAccess: 6,
  Empty: 7, CasMismatch: 8, InternalFailure: 10, Unimplemented: 12,
} as const;
export type Status = (typeof Status)[keyof typeof Status];

export const MapType = {
  HttpRequestHeaders: 0, HttpRequestTrailers: 1, HttpResponseHeaders: 2, HttpResponseTrailers: 3,
  GrpcInitialMetadata: 4, GrpcTrailingMetadata: 5, HttpCallResponseHeaders: 6, HttpCallResponseTrailers: 7,
} as const;

export const BufferType = {
  HttpRequestBody: 0, HttpResponseBody: 1, NetworkDownstreamData: 2, NetworkUpstreamData: 3,
  HttpCallResponseBody: 4, GrpcReceiveBuffer: 5, VmConfiguration: 6, PluginConfiguration: 7, CallData: 8,
} as const;

export const StreamType = { Request: 0, Response: 1, Downstream: 2, Upstream: 3 } as const;

/** Log levels in the order of their numbers; stdout logs at info, stderr at error. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'critical'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Signatures are written `parameters>results`, one letter a value: i = i32, I = i64. */
export type Signature = string;

/** What Envoy offers in module `env`, without the `proxy_` callbacks of ABI 0.1. Anything else there is a load error. */
export const envFunctions: Readonly<Record<string, Signature>> = {
  proxy_log: 'iii>i',
  proxy_get_log_level: 'i>i',
  proxy_get_current_time_nanoseconds: 'i>i',
  proxy_set_tick_period_milliseconds: 'i>i',
  proxy_get_property: 'iiii>i',
  proxy_set_property: 'iiii>i',
  proxy_get_buffer_bytes: 'iiiii>i',
  proxy_get_buffer_status: 'iii>i',
  proxy_set_buffer_bytes: 'iiiii>i',
  proxy_get_header_map_value: 'iiiii>i',
  proxy_add_header_map_value: 'iiiii>i',
  proxy_replace_header_map_value: 'iiiii>i',
  proxy_remove_header_map_value: 'iii>i',
  proxy_get_header_map_pairs: 'iii>i',
  proxy_set_header_map_pairs: 'iii>i',
  proxy_get_header_map_size: 'ii>i',
  proxy_send_local_response: 'iiiiiiii>i',
  proxy_continue_stream: 'i>i',
  proxy_close_stream: 'i>i',
  proxy_http_call: 'iiiiiiiiii>i',
  proxy_get_status: 'iii>i',
  proxy_grpc_call: 'iiiiiiiiiiii>i',
  proxy_grpc_stream: 'iiiiiiiii>i',
  proxy_grpc_send: 'iiii>i',
  proxy_grpc_cancel: 'i>i',
  proxy_grpc_close: 'i>i',
  proxy_define_metric: 'iiii>i',
  proxy_increment_metric: 'iI>i',
  proxy_record_metric: 'iI>i',
  proxy_get_metric: 'ii>i',
  proxy_get_shared_data: 'iiiii>i',
  proxy_set_shared_data: 'iiiii>i',
  proxy_register_shared_queue: 'iii>i',
  proxy_resolve_shared_queue: 'iiiii>i',
  proxy_enqueue_shared_queue: 'iii>i',
  proxy_dequeue_shared_queue: 'iii>i',
  proxy_set_effective_context: 'i>i',
  proxy_done: '>i',
  proxy_call_foreign_function: 'iiiiii>i',
  emscripten_notify_memory_growth: 'i>',
  pthread_equal: 'ii>i',
};

/** What Envoy offers in `wasi_snapshot_preview1` and `wasi_unstable`. */
export const wasiFunctions: Readonly<Record<string, Signature>> = {
  fd_write: 'iiii>i', fd_read: 'iiii>i', fd_seek: 'iIii>i', fd_close: 'i>i', fd_fdstat_get: 'ii>i',
  fd_fdstat_set_flags: 'ii>i', fd_fdstat_set_rights: 'iII>i', environ_get: 'ii>i', environ_sizes_get: 'ii>i',
  args_get: 'ii>i', args_sizes_get: 'ii>i', clock_time_get: 'iIi>i', clock_res_get: 'ii>i', fd_advise: 'iIIi>i',
  fd_allocate: 'iII>i', fd_datasync: 'i>i', fd_filestat_set_size: 'iI>i', fd_filestat_set_times: 'iIIi>i',
  fd_pread: 'iiiIi>i', fd_pwrite: 'iiiIi>i', fd_readdir: 'iiiIi>i', fd_renumber: 'ii>i', fd_sync: 'i>i', fd_tell: 'ii>i',
  path_create_directory: 'iii>i', path_filestat_set_times: 'iiiiIIi>i', path_link: 'iiiiii>i', path_readlink: 'iiiiii>i',
  path_remove_directory: 'iii>i', path_rename: 'iiiiii>i', path_symlink: 'iiiii>i', path_unlink_file: 'iii>i',
  sock_accept: 'iii>i', sock_recv: 'iiiiii>i', sock_send: 'iiiii>i', sock_shutdown: 'ii>i', random_get: 'ii>i',
  sched_yield: '>i', poll_oneoff: 'iiii>i', proc_exit: 'i>', path_open: 'iiiiiIIii>i', fd_prestat_get: 'ii>i',
  fd_prestat_dir_name: 'iii>i', path_filestat_get: 'iiiii>i', fd_filestat_get: 'ii>i',
};

/** The callbacks Envoy looks up; an export of that name with another signature is a load error. */
export const callbackSignatures = {
  _initialize: '>',
  _start: '>',
  main: 'ii>i',
  __main_void: '>i',
  malloc: 'i>i',
  proxy_on_memory_allocate: 'i>i',
  proxy_validate_configuration: 'ii>i',
  proxy_on_vm_start: 'ii>i',
  proxy_on_configure: 'ii>i',
  proxy_on_tick: 'i>',
  proxy_on_context_create: 'ii>',
  proxy_on_new_connection: 'i>i',
  proxy_on_downstream_data: 'iii>i',
  proxy_on_upstream_data: 'iii>i',
  proxy_on_downstream_connection_close: 'ii>',
  proxy_on_upstream_connection_close: 'ii>',
  proxy_on_request_headers: 'iii>i',
  proxy_on_request_body: 'iii>i',
  proxy_on_request_trailers: 'ii>i',
  proxy_on_request_metadata: 'ii>i',
  proxy_on_response_headers: 'iii>i',
  proxy_on_response_body: 'iii>i',
  proxy_on_response_trailers: 'ii>i',
  proxy_on_response_metadata: 'ii>i',
  proxy_on_http_call_response: 'iiiii>',
  proxy_on_grpc_receive_initial_metadata: 'iii>',
  proxy_on_grpc_receive: 'iii>',
  proxy_on_grpc_receive_trailing_metadata: 'iii>',
  proxy_on_grpc_close: 'iii>',
  proxy_on_queue_ready: 'ii>',
  proxy_on_foreign_function: 'iii>',
  proxy_on_done: 'i>i',
  proxy_on_log: 'i>',
  proxy_on_delete: 'i>',
} as const satisfies Record<string, Signature>;

/** A callback's name; the guest may export any subset of them. */
export type CallbackName = keyof typeof callbackSignatures;

/** Envoy 1.40 refuses 0_2_2 and 0_3_0 ("Missing or unknown Proxy-Wasm ABI version"). 0.1.0 is refused by this VM only. */
export const abiVersions = ['proxy_abi_version_0_2_0', 'proxy_abi_version_0_2_1'] as const;

/** Guest to host limit of a pairs block; beyond either the host sees an empty list. */
export const maxPairsBytes = 1024 * 1024;
export const maxPairsCount = 1024;
