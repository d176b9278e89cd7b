// A route table's bytes, put together from those of its routes: a change of one route among a thousand encodes one.
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { RouteConfigurationSchema } from '../../proto/envoy/config/route/v3/route_pb.js';
import { RouteSchema, VirtualHostSchema } from '../../proto/envoy/config/route/v3/route_components_pb.js';
import type { IrRoute, IrRouteTable, IrVirtualHost } from '../ir.ts';
import { encode } from './encode.ts';
import { routeJson, routeTableHead, virtualHostHead } from './routes.ts';

/** Bytes of routes by content. Keeps what the last two builds used, so it is as large as the configuration and no larger. */
export class RouteCache {
  #now = new Map<string, Uint8Array>();
  #before = new Map<string, Uint8Array>();

  bytes(route: IrRoute): Uint8Array {
    const key = contentKey(route);
    const known = this.#now.get(key) ?? this.#before.get(key) ?? encode(RouteSchema.typeName, routeJson(route));
    this.#now.set(key, known);
    return known;
  }

  /** Call once a build is done. */
  turn(): void { [this.#before, this.#now] = [this.#now, new Map()]; }
}

/** All that routeJson looks at; the id of a policy stands for all of it. */
function contentKey({ name, match, action, jwt, fault, faultAfter, concurrency, resolver }: IrRoute): string {
  return JSON.stringify([name, match, action, jwt?.id, fault?.id, faultAfter?.id, concurrency?.id, resolver?.id]);
}

/** protobuf: the bytes of a message are those of its fields one after the other, in any order. */
export function encodeRouteTable(table: IrRouteTable, cache: RouteCache): Uint8Array {
  const hosts = table.virtualHosts.map((host) => encodeHost(host, cache));
  return followedBy(encode(RouteConfigurationSchema.typeName, routeTableHead(table)), RouteConfigurationSchema.field.virtualHosts.number, hosts);
}

function encodeHost(host: IrVirtualHost, cache: RouteCache): Uint8Array {
  return followedBy(encode(VirtualHostSchema.typeName, virtualHostHead(host)), VirtualHostSchema.field.routes.number, host.routes.map((route) => cache.bytes(route)));
}

function followedBy(head: Uint8Array, field: number, messages: readonly Uint8Array[]): Uint8Array {
  const writer = new BinaryWriter().raw(head);
  for (const message of messages) writer.tag(field, WireType.LengthDelimited).bytes(message);
  return writer.finish();
}
