// A route table's bytes, put together from those of its routes and of the policies they refer to: a change of one among a thousand encodes one.
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import { MetadataSchema } from '../../proto/envoy/config/core/v3/base_pb.js';
import { RouteConfigurationSchema } from '../../proto/envoy/config/route/v3/route_pb.js';
import { RouteSchema, VirtualHostSchema } from '../../proto/envoy/config/route/v3/route_components_pb.js';
import type { IrRoute, IrRouteTable, IrVirtualHost } from '../ir.ts';
import { encode } from './encode.ts';
import { METADATA, routeJson, routeTableHead, virtualHostHead, virtualHostLeaves } from './routes.ts';

/** Bytes of routes by content, and of the leaves of virtual hosts by name. Keeps what the last two builds used, so it is as large as the configuration and no larger. */
export class RouteCache {
  #now = new Map<string, Uint8Array>();
  #before = new Map<string, Uint8Array>();
  /** Of one build, in which routes are asked for again. */
  readonly #routes = new WeakMap<IrRoute, Uint8Array>();

  bytes(route: IrRoute): Uint8Array {
    const bytes = this.#routes.get(route) ?? this.#kept(contentKey(route), () => encode(RouteSchema.typeName, routeJson(route)));
    this.#routes.set(route, bytes);
    return bytes;
  }

  /** A google.protobuf.Struct of this leaf alone. */
  leaf(name: string, text: () => string): Uint8Array { return this.#kept(name, () => encode(StructSchema.typeName, { [name]: text() })); }

  #kept(key: string, make: () => Uint8Array): Uint8Array {
    const known = this.#now.get(key) ?? this.#before.get(key) ?? make();
    this.#now.set(key, known);
    return known;
  }

  /** Call once a build is done. */
  turn(): void { [this.#before, this.#now] = [this.#now, new Map()]; }
}

/** All that routeJson looks at; the id of a policy stands for all of it. */
function contentKey({ name, match, action, jwt, fault, faultAfter, concurrency, resolver, oidc, besideLogin, cors }: IrRoute): string {
  return JSON.stringify([name, match, action, jwt?.id, fault?.id, faultAfter?.id, concurrency?.id, resolver?.id, oidc?.id, besideLogin, cors]);
}

/** protobuf: the bytes of a message are those of its fields one after the other, in any order. */
export function encodeRouteTable(table: IrRouteTable, cache: RouteCache): Uint8Array {
  const hosts = table.virtualHosts.map((host) => encodeHost(host, cache));
  return followedBy(encode(RouteConfigurationSchema.typeName, routeTableHead(table)), RouteConfigurationSchema.field.virtualHosts.number, hosts);
}

function encodeHost(host: IrVirtualHost, cache: RouteCache): Uint8Array {
  const leaves = [...virtualHostLeaves(host)].map(([name, text]) => cache.leaf(name, text));
  const head = encode(VirtualHostSchema.typeName, virtualHostHead(host));
  const carrying = leaves.length === 0 ? head : followedBy(head, VirtualHostSchema.field.metadata.number, [metadata(leaves)]);
  return followedBy(carrying, VirtualHostSchema.field.routes.number, host.routes.map((route) => cache.bytes(route)));
}

/** Structs one after the other are one with the fields of all. An entry of a map has its key as field 1 and its value as field 2. */
function metadata(structs: readonly Uint8Array[]): Uint8Array {
  const struct = new BinaryWriter();
  for (const each of structs) struct.raw(each);
  const entry = new BinaryWriter().tag(1, WireType.LengthDelimited).string(METADATA).tag(2, WireType.LengthDelimited).bytes(struct.finish());
  return new BinaryWriter().tag(MetadataSchema.field.filterMetadata.number, WireType.LengthDelimited).bytes(entry.finish()).finish();
}

function followedBy(head: Uint8Array, field: number, messages: readonly Uint8Array[]): Uint8Array {
  const writer = new BinaryWriter().raw(head);
  for (const message of messages) writer.tag(field, WireType.LengthDelimited).bytes(message);
  return writer.finish();
}
