// The header map functions. Names are lower-cased; a read gives the first value only.
import { Status } from '../abi.ts';
import type { Headers } from '../headers.ts';
import type { Host } from '../host.ts';
import { decodePairs, encodePairs } from '../pairs.ts';
import type { Imports } from './env.ts';

const LAST_TYPE = 7;

export function headerImports(host: Host): Imports {
  /** Applies a change to a map; maps not there now are BadArgument. A change of request headers makes Envoy choose the route again. */
  const change = (type: number, key: number, keySize: number, value: number, valueSize: number, apply: (map: Headers, key: string, value: string) => void): Status => {
    if (type >>> 0 > LAST_TYPE) return Status.BadArgument;
    const context = host.context();
    const name = host.memory.text(key, keySize);
    const text = host.memory.text(value, valueSize);
    if (name === null || text === null) return Status.InvalidMemoryAccess;
    const map = context.writableMap(type);
    if (map === undefined) return Status.BadArgument;
    apply(map, name, text);
    if (type === 0) context.routeCacheCleared++;
    return Status.Ok;
  };
  return {
    proxy_get_header_map_value(type: number, key: number, keySize: number, outValue: number, outSize: number): Status {
      if (type >>> 0 > LAST_TYPE) return Status.BadArgument;
      const context = host.context();
      const name = host.memory.text(key, keySize);
      if (name === null) return Status.InvalidMemoryAccess;
      const map = context.map(type);
      if (map === undefined) return Status.BadArgument;
      const value = map.get(name);
      if (value === undefined) return Status.NotFound;
      return host.give(value, outValue, outSize) ? Status.Ok : Status.InvalidMemoryAccess;
    },
    proxy_add_header_map_value: (type: number, key: number, keySize: number, value: number, valueSize: number): Status =>
      change(type, key, keySize, value, valueSize, addHeader),
    proxy_replace_header_map_value: (type: number, key: number, keySize: number, value: number, valueSize: number): Status =>
      change(type, key, keySize, value, valueSize, setHeader),
    proxy_remove_header_map_value: (type: number, key: number, keySize: number): Status =>
      change(type, key, keySize, 0, 0, removeHeader),
    /** A map that is not there now is an empty list, with Ok. */
    proxy_get_header_map_pairs(type: number, out: number, outSize: number): Status {
      if (type >>> 0 > LAST_TYPE) return Status.BadArgument;
      const map = host.context().map(type);
      const block = map === undefined || map.size === 0 ? '' : encodePairs(map.flat);
      return host.give(block, out, outSize) ? Status.Ok : Status.InvalidMemoryAccess;
    },
    proxy_set_header_map_pairs(type: number, pairs: number, size: number): Status {
      if (type >>> 0 > LAST_TYPE) return Status.BadArgument;
      const context = host.context();
      const block = host.memory.copy(pairs, size);
      if (block === null) return Status.InvalidMemoryAccess;
      const map = context.writableMap(type);
      if (map === undefined) return Status.BadArgument;
      map.replaceAll(decodePairs(block));
      if (type === 0) context.routeCacheCleared++;
      return Status.Ok;
    },
    proxy_get_header_map_size(type: number, out: number): Status {
      if (type >>> 0 > LAST_TYPE) return Status.BadArgument;
      const map = host.context().writableMap(type);
      if (map === undefined) return Status.BadArgument;
      return host.memory.setWord(out, map.byteSize) ? Status.Ok : Status.InvalidMemoryAccess;
    },
  };
}

function addHeader(map: Headers, name: string, value: string): void {
  map.add(name, value);
}

function setHeader(map: Headers, name: string, value: string): void {
  map.set(name, value);
}

function removeHeader(map: Headers, name: string): void {
  map.remove(name);
}
