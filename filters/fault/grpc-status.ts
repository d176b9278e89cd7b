// The HTTP status that maps to a gRPC one (google.rpc.Code), for requests that are not gRPC.

const STATUSES: StaticArray<u32> = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

/** 500, as for UNKNOWN, for a status that has no meaning. */
export function httpStatusOf(grpcStatus: i32): u32 {
  return <u32>grpcStatus < <u32>STATUSES.length ? unchecked(STATUSES[grpcStatus]) : 500;
}
