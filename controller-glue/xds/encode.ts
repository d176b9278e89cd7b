// JSON form → bytes, through the schema of the Envoy we run. Throws on JSON that the schema does not have: that is a bug of ours.
import { createHash } from 'node:crypto';
import { createRegistry, fromJson, toBinary } from '@bufbuild/protobuf';
import type { JsonValue } from '@bufbuild/protobuf';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import { registry as envoy } from '../../proto/registry.js';

/** The generated files leave out Google's own messages; this one we put into an Any. */
const registry = createRegistry(envoy, StringValueSchema);

export function encode(type: string, json: object): Uint8Array {
  const schema = registry.getMessage(type);
  if (schema === undefined) throw new Error(`the generated protos do not have ${type}`);
  return toBinary(schema, fromJson(schema, json as JsonValue, { registry }));
}

/** A version by content: the same resource is never sent as new. */
export function version(body: Uint8Array): string { return createHash('sha256').update(body).digest('hex').slice(0, 32); }
