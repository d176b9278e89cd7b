// What Envoy must do, as plain printable data: between what the user wrote (resources.ts) and xDS (xds/).
// Nothing in it that only Kubernetes understands, nothing that only protobuf understands.
import type { ConcurrencyPolicy, ListenerLimit } from '../policy/connection-limit.ts';
import type { FaultPolicy } from '../policy/fault.ts';
import type { JwtPolicy } from '../policy/jwt.ts';
import type { OidcPolicy } from '../policy/oidc.ts';
import type { ResolverRoute } from '../policy/resolver.ts';
import type { Secret } from '../policy/secret.ts';
import type { SessionPolicy } from '../policy/session.ts';
import type { Reason } from './reason.ts';

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
  readonly clientAuthorities: readonly IrAuthority[];
}

/** One bound port. Listeners of a Gateway that share a port are chains (HTTPS) or virtual hosts (HTTP) of one. */
export interface IrListener {
  readonly name: string;                       // <namespace>/<gateway>/<port>
  readonly port: number;                       // as bound, after the offset
  readonly serves: readonly string[];          // names of the Gateway's listeners that share the port
  readonly bufferLimitBytes: number;           // of each connection
  readonly acceptsPerEvent?: number;           // how many connections a worker takes before it looks after others; absent: all that wait
  readonly chains: readonly IrChain[];
}

/** HTTP: one chain without serverNames. HTTPS: one for each listener of the Gateway, chosen by SNI. */
export interface IrChain {
  readonly name: string;
  readonly serverNames: readonly string[];
  readonly certificates: readonly string[];    // names of IrCertificate; empty: plain HTTP
  readonly clientValidation?: IrClientValidation;
  readonly limits: readonly ListenerLimit[];   // on its connections, whatever they carry
  readonly http: IrHttpLimits;
  readonly routeTable: string;
}

/** Clients show a certificate of these authorities: always, or (optional) where they show one at all. */
export interface IrClientValidation { readonly authority: string; readonly optional: boolean }

/** What one connection may do once it speaks HTTP; absent: without end. */
export interface IrHttpLimits { readonly maxConnectionMs?: number; readonly maxRequestsPerConnection?: number; readonly maxStreamMs?: number }

export interface IrCertificate { readonly name: string; readonly certificate: string; readonly key: Secret }

/** Certificates (PEM) of which one must have signed what the other side shows. */
export interface IrAuthority { readonly name: string; readonly certificates: string }

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
  /** Envoy answers preflights itself, before anybody logs in. */
  readonly cors?: IrCors;
  /** Who has no session logs in first. */
  readonly oidc?: IrOidc;
  /** Nobody logs in here, but browsers bring sessions of logins beside it: they are taken off. */
  readonly besideLogin?: true;
  readonly jwt?: IrJwt;
  /** Before authorization: what an unauthenticated client meets too. */
  readonly fault?: IrFault;
  /** After it: what asks for claims. */
  readonly faultAfter?: IrFault;
  readonly concurrency?: IrConcurrency;
  /** On every route to a dynamic cluster: what says where its requests go. */
  readonly resolver?: IrResolver;
}

export interface IrMatch {
  readonly path: { readonly kind: 'exact' | 'prefix' | 'regex'; readonly value: string; readonly standIn?: true };   // standIn: closes what a pattern that Envoy refuses could match
  readonly method?: string;
  readonly headers: readonly IrValueMatch[];
  readonly query: readonly IrValueMatch[];
}
export interface IrValueMatch { readonly name: string; readonly kind: 'exact' | 'regex'; readonly value: string }

export type IrAction =
  | { readonly kind: 'forward'; readonly shares: readonly IrShare[]; readonly timeoutMs?: number }
  /** An empty answer. The reason is stable and never in the body: it is in the route's metadata (xds/routes.ts says where it shows). */
  | { readonly kind: 'respond'; readonly status: number; readonly reason: Reason };

/** A part of the traffic, by weight: to a cluster, or answered 500 because what it should go to cannot be used. */
export type IrShare =
  | { readonly cluster: string; readonly weight: number }
  | { readonly reason: Reason; readonly weight: number };

/** A policy by its content: the id is what the guard demands as the verdict. */
export interface IrJwt { readonly id: string; readonly policy: JwtPolicy }
export interface IrFault { readonly id: string; readonly policy: FaultPolicy }
/** `policy`: what the service knows, and nobody else: it holds secrets. `session`: by what Envoy lets the service's sessions pass without asking. One id for both. */
export interface IrOidc { readonly id: string; readonly policy: OidcPolicy; readonly session: SessionPolicy }
/** By what pages of other origins may call. A list of `*` alone is all that is asked for; without maxAgeSeconds browsers choose. */
export interface IrCors {
  readonly origins: readonly IrOrigin[];
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  readonly exposed: readonly string[];
  readonly maxAgeSeconds?: number;
  readonly credentials: boolean;
}
export interface IrOrigin { readonly kind: 'exact' | 'regex'; readonly value: string }
export interface IrResolver { readonly id: string; readonly policy: ResolverRoute }
export interface IrConcurrency { readonly id: string; readonly policy: ConcurrencyPolicy }

export type IrCluster =
  /** `service`: what the endpoints are known by; clusters of one Service share them. */
  | { readonly kind: 'endpoints'; readonly name: string; readonly service: string; readonly protocol: 'http1' | 'h2c'; readonly endpoints: readonly IrEndpoint[]; readonly limits?: IrClusterLimits }
  /** A host by name (a key set's), over TLS verified by chain and name; without TLS only on loopback. */
  | { readonly kind: 'host'; readonly name: string; readonly host: string; readonly port: number; readonly tls: boolean }
  /** The address that the resolver found for the request, and no other. */
  | { readonly kind: 'dynamic'; readonly name: string; readonly protocol: 'http1' | 'http2' | 'alpn'; readonly tls?: IrUpstreamTls; readonly limits?: IrClusterLimits };
export interface IrEndpoint { readonly address: string; readonly port: number }

/** Verified always, by chain and by name. */
export interface IrUpstreamTls {
  /** Absent: those of the system. */
  readonly authority?: IrAuthority;
  /** Shown to hosts that ask for one. */
  readonly certificate?: IrCertificate;
  /** Whose certificate it must be; absent: that of the request's host. */
  readonly sni?: string;
  readonly minVersion?: '1.0' | '1.1' | '1.2' | '1.3';
  readonly maxVersion?: '1.0' | '1.1' | '1.2' | '1.3';
  readonly ciphers?: readonly string[];
  readonly ecdhCurves?: readonly string[];
  readonly signatureAlgorithms?: readonly string[];
}

/** What is absent is Envoy's default, but for retries at one time: those are 1024 everywhere. */
export interface IrClusterLimits {
  readonly maxConnections?: number;
  readonly maxPendingRequests?: number;
  readonly maxRequests?: number;
  readonly maxRetries?: number;
  /** Wins over maxRetries. */
  readonly retryBudget?: { readonly percent: number; readonly minConcurrency: number };
  readonly maxConnectionsPerEndpoint?: number;
  readonly maxRequestsPerConnection?: number;
  readonly connectTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
  readonly maxConnectionMs?: number;
}
