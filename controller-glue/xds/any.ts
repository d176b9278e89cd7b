// google.protobuf.Any in JSON form, with the inner message typed.
import type { AnyJson } from '@bufbuild/protobuf/wkt';

/** `type` is the message's full name; the JSON is checked against it by the compiler where the caller names its type. */
export function any<Json extends object>(type: string, json: Json): AnyJson {
  return { '@type': `type.googleapis.com/${type}`, ...json } as AnyJson;
}
