// proxy_get_property and proxy_set_property.
import { Status } from '../abi.ts';
import type { Context } from '../context.ts';
import type { Host } from '../host.ts';
import { encodeProperty, find, isReserved, missingProperty, segmentsOf } from '../properties.ts';
import type { Bytes } from '../pairs.ts';
import type { Imports } from './env.ts';

export function propertyImports(host: Host): Imports {
  return {
    proxy_get_property(path: number, size: number, outValue: number, outSize: number): Status {
      const context = host.context();
      const text = host.memory.text(path, size);
      if (text === null) return Status.InvalidMemoryAccess;
      const found = read(context, segmentsOf(text));
      if (typeof found === 'number') return found;
      return host.give(found, outValue, outSize) ? Status.Ok : Status.InvalidMemoryAccess;
    },
    proxy_set_property(path: number, size: number, value: number, valueSize: number): Status {
      const context = host.context();
      const key = host.memory.text(path, size);
      const bytes = host.memory.copy(value, valueSize);
      if (key === null || bytes === null) return Status.InvalidMemoryAccess;
      if (context.state === undefined) return Status.NotFound;
      const name = `wasm.${key}`;
      // Envoy looks at what the root context declared only.
      if (host.root.declared.get(key)?.readOnly === true && context.state.has(name)) return Status.BadArgument;
      context.state.set(name, bytes);
      return Status.Ok;
    },
  };
}

/** Filter state by its two spellings, then what the test gave, then what Envoy derives. */
function read(context: Context, segments: readonly string[]): Bytes | Status {
  const [first, second] = segments;
  if (first === undefined) return Status.SerializationFailure;
  const { state } = context;
  if (state !== undefined) {
    const key = first === 'filter_state' && second !== undefined ? second : isReserved(first) ? undefined : `wasm.${first}`;
    const value = key === undefined ? undefined : state.get(key);
    if (value !== undefined) return segments.length === (first === 'filter_state' ? 2 : 1) ? value : Status.NotFound;
  }
  for (const properties of context.properties()) {
    const value = find(properties, segments);
    if (value !== undefined) return encodeProperty(value, segments);
  }
  const value = context.derive(segments);
  if (value !== undefined) return encodeProperty(value, segments);
  return state === undefined && first !== 'xds' ? Status.NotFound : missingProperty(segments);
}
