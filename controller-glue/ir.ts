// What Envoy must do, as plain printable data: between what the user wrote (resources.ts) and xDS (xds/).
// Nothing in it that only Kubernetes understands, nothing that only protobuf understands.
import type { JwtPolicy } from '../policy/jwt.ts';
import type { Secret } from '../policy/secret.ts';

/** An object of the user's, for conditions and NACKs that lead back to it. */
export interface ObjectRef { readonly group: string; readonly kind: string; readonly namespace: string; readonly name: string }

export interface Ir { readonly gateways: readonly IrGateway[] }

/** One Gateway is one Envoy. */
export interface IrGateway {
  readonly namespace: string;
  readonly name: string;
  readonly listeners: readonly IrListener[];
  readonly routeTables: readonly IrRouteTable[];
  readonly clusters: readonly IrCluster[];
  readonly certificates: readonly IrCertificate[];
}

/** One bound port. Listeners of a Gateway that share a port are chains (HTTPS) or virtual hosts (HTTP) of one. */
export interface IrListener {
  readonly name: string;                       // <namespace>/<gateway>/<port>
  readonly port: number;                       // as bound, after the offset
  readonly chains: readonly IrChain[];
}

/** HTTP: one chain without serverNames. HTTPS: one for each listener of the Gateway, chosen by SNI. */
export interface IrChain {
  readonly name: string;
  readonly serverNames: readonly string[];
  readonly certificates: readonly string[];    // names of IrCertificate; empty: plain HTTP
  readonly routeTable: string;
}

export interface IrCertificate { readonly name: string; readonly certificate: string; readonly key: Secret }

export interface IrRouteTable { readonly name: string; readonly virtualHosts: readonly IrVirtualHost[] }

export interface IrVirtualHost {
  readonly name: string;
  readonly domains: readonly string[];
  readonly keySets: Readonly<Record<string, string>>;   // id → JWK Set as JSON; what the policies below refer to
  readonly routes: readonly IrRoute[];                  // in the order they are tried
}

export interface IrRoute {
  readonly name: string;
  readonly owners: readonly ObjectRef[];                // the HTTPRoute, then the policies on it
  readonly match: IrMatch;
  readonly action: IrAction;
  readonly jwt?: IrJwt;
}

export interface IrMatch {
  readonly path: { readonly kind: 'exact' | 'prefix' | 'regex'; readonly value: string };
  readonly method?: string;
  readonly headers: readonly IrValueMatch[];
  readonly query: readonly IrValueMatch[];
}
export interface IrValueMatch { readonly name: string; readonly kind: 'exact' | 'regex'; readonly value: string }

export type IrAction =
  | { readonly kind: 'forward'; readonly clusters: readonly { readonly name: string; readonly weight: number }[]; readonly timeoutMs?: number }
  /** A stable reason shows in the response code details and nowhere in the body. */
  | { readonly kind: 'respond'; readonly status: number; readonly reason: string };

/** A policy by its content: the id is what the guard demands as the verdict. */
export interface IrJwt { readonly id: string; readonly policy: JwtPolicy }

export type IrCluster =
  | { readonly kind: 'endpoints'; readonly name: string; readonly endpoints: readonly IrEndpoint[] }
  /** A host by name (a key set's), over TLS verified by chain and name. */
  | { readonly kind: 'host'; readonly name: string; readonly host: string; readonly port: number };
export interface IrEndpoint { readonly address: string; readonly port: number }
