// What Envoy derives from an HTTP stream when the test gave no property of that path.
import { MapType } from './abi.ts';
import type { Headers } from './headers.ts';
import type { HttpStream } from './http-stream.ts';
import type { PropertyValue } from './properties.ts';

/** request.*, response.* and the peers; undefined for what this stream has not got now. */
export function deriveHttp(stream: HttpStream, segments: readonly string[]): PropertyValue | undefined {
  const [first, second, third] = segments;
  if (first === undefined || second === undefined) return undefined;
  switch (first) {
    case 'request': return deriveRequest(stream, second, third);
    case 'response': return deriveResponse(stream, second, third);
    case 'source': return segments.length === 2 ? peers.source.get(second) : undefined;
    case 'destination': return segments.length === 2 ? peers.destination.get(second) : undefined;
    case 'connection': return segments.length === 2 ? connection.get(second) : undefined;
    case 'xds': return segments.length === 2 ? xds.get(second) : undefined;
    default: return undefined;
  }
}

/** Addresses are "ip:port" text in Envoy. */
export const peers: Readonly<Record<'source' | 'destination', ReadonlyMap<string, PropertyValue>>> = {
  source: new Map<string, PropertyValue>([['address', '127.0.0.1:50000'], ['port', 50000]]),
  destination: new Map<string, PropertyValue>([['address', '127.0.0.1:10000'], ['port', 10000]]),
};

const connection = new Map<string, PropertyValue>([['id', 1], ['mtls', false], ['requested_server_name', '']]);

const xds = new Map<string, PropertyValue>([
  ['route_name', ''], ['virtual_host_name', 'default'], ['cluster_name', 'upstream'], ['filter_chain_name', ''], ['listener_direction', 0],
]);

function deriveRequest(stream: HttpStream, name: string, key: string | undefined): PropertyValue | undefined {
  const headers = stream.map(MapType.HttpRequestHeaders);
  const path = headers?.get(':path');
  const query = path?.indexOf('?') ?? -1;
  if (name === 'headers') return headers === undefined ? undefined : deriveHeaders(headers, key);
  if (key !== undefined) return undefined;
  switch (name) {
    case 'path': return path;
    case 'url_path': return path === undefined || query < 0 ? path : path.slice(0, query);
    case 'query': return path === undefined ? undefined : query < 0 ? '' : path.slice(query + 1);
    case 'host': return headers?.get(':authority');
    case 'scheme': return headers?.get(':scheme');
    case 'method': return headers?.get(':method');
    case 'referer': return headers?.get('referer');
    case 'useragent': return headers?.get('user-agent');
    case 'id': return headers?.get('x-request-id');
    case 'protocol': return 'HTTP/1.1';
    case 'time': return stream.start;
    case 'size': return Number(headers?.get('content-length') ?? stream.request.sent.bytes.length);
    case 'total_size': return stream.request.headers.byteSize + stream.request.sent.bytes.length;
    case 'duration': return stream.ended ? stream.host.surroundings.clock.nanoseconds - stream.start : undefined;
    default: return undefined;
  }
}

function deriveResponse(stream: HttpStream, name: string, key: string | undefined): PropertyValue | undefined {
  if (name === 'headers') {
    const headers = stream.map(MapType.HttpResponseHeaders);
    // No response yet is an empty map (seen in 1.40), unlike for requests.
    return headers === undefined ? (key === undefined ? {} : undefined) : deriveHeaders(headers, key);
  }
  if (key !== undefined) return undefined;
  switch (name) {
    case 'code': return stream.code;
    case 'code_details': return stream.details;
    case 'flags': return 0;
    case 'size': return stream.reply?.sent.bytes.length ?? 0;
    default: return undefined;
  }
}

/** All headers as a map, or one of them; repeated ones joined by a comma, unlike proxy_get_header_map_value. */
function deriveHeaders(headers: Headers, key: string | undefined): PropertyValue | undefined {
  if (key === undefined) return headers.toObject();
  const values = headers.all(key);
  return values.length === 0 ? undefined : values.join(',');
}
