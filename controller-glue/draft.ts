// What the steps of translate fill in, one after the other. Plain data; each step says in its first line which fields it writes.
import type { Condition } from './condition.ts';
import type { ConcurrencyPolicy, ListenerLimit } from '../policy/connection-limit.ts';
import type { Fault } from '../policy/fault.ts';
import type { ClientAuthentication, OidcPolicy } from '../policy/oidc.ts';
import type { WrittenResolverPolicy } from '../policy/resolver.ts';
import type { Ir, IrAction, IrCertificate, IrAuthority, IrCluster, IrCors, IrHttpLimits, IrJwt, IrMatch, ObjectRef } from './ir.ts';
import type { BackendSpec } from './kinds/backend.ts';
import type { BackendTrafficPolicySpec, CircuitBreaker } from './kinds/backend-traffic-policy.ts';
import type { ClientTrafficPolicySpec } from './kinds/client-traffic-policy.ts';
import type { ConcurrencyPolicySpec } from './kinds/concurrency-policy.ts';
import type { ConnectionLimitPolicySpec } from './kinds/connection-limit-policy.ts';
import type { FaultPolicySpec } from './kinds/fault-policy.ts';
import type { Listener } from './kinds/gateway.ts';
import type { GatewayClassSpec, GatewaySpec } from './kinds/gateway.ts';
import type { HttpRouteSpec, ParentRef } from './kinds/http-route.ts';
import type { Provider } from '../policy/jwt.ts';
import type { OidcPolicySpec } from './kinds/oidc-policy.ts';
import type { ResolverPolicySpec } from './kinds/resolver-policy.ts';
import type { SecurityPolicySpec } from './kinds/security-policy.ts';
import type { UnsupportedPolicySpec } from './kinds/unsupported-policy.ts';
import type { Lookup } from './lookup.ts';
import type { Problem } from './problem.ts';
import type { Reason } from './reason.ts';
import type { Resource, Resources } from './resources.ts';
import type { Secret } from '../policy/secret.ts';
import type { AncestorStatus, ObjectStatus } from './status.ts';
import type { RedirectUrl } from './redirect-url.ts';

export interface Settings {
  readonly controllerName: string;
  /** Added to listener ports below 1024. */
  readonly portOffset: number;
  /** Where listeners bind, as statuses say it. */
  readonly address: string;
  /** Stands for a secret in ids, which everybody may see: another secret, another tag. */
  readonly tag: (secret: Secret) => string;
  /** Ports (as bound) that cannot be had, and why: something else on the machine holds them. */
  readonly unavailable: ReadonlyMap<number, string>;
}

export interface Draft {
  readonly settings: Settings;
  readonly resources: Resources;
  readonly find: Lookup;
  readonly classes: DraftClass[];
  readonly gateways: DraftGateway[];
  readonly routes: DraftRoute[];
  /** By namespace/name. */
  readonly backends: Map<string, DraftBackend>;
  /** Every cluster that something may use, by name. */
  readonly clusters: Map<string, IrCluster>;
  /** Key sets by id, as canonical JSON. */
  readonly keySets: Map<string, string>;
  /** Oldest first. */
  readonly policies: { readonly [Kind in PolicyKind]: DraftPolicy<Kind>[] };
  /** What decides for a place, by placeKey: at most one policy of each kind. */
  readonly attached: Attached;
  /** Places that a policy we do not carry out covers, by placeKey. */
  readonly closed: Map<string, ObjectRef>;
  readonly unsupported: DraftUnsupported[];
  readonly problems: Problem[];
  readonly statuses: ObjectStatus[];
  ir: Ir;
}

export interface DraftClass { readonly resource: Resource<GatewayClassSpec>; readonly accepted: boolean; readonly conditions: readonly Condition[] }

export type DraftBackend =
  | { readonly kind: 'accepted'; readonly resource: Resource<BackendSpec>; readonly cluster: IrCluster & { readonly kind: 'dynamic' } }
  /** For the provider of a login; routes cannot send to it. */
  | { readonly kind: 'endpoints'; readonly resource: Resource<BackendSpec>; readonly endpoints: readonly ProviderAddress[]; readonly authority?: IrAuthority }
  | { readonly kind: 'refused'; readonly resource: Resource<BackendSpec>; readonly why: 'disabled' | 'invalid'; readonly message: string };

export interface ProviderAddress { readonly host: string; readonly port: number }

export interface DraftGateway {
  readonly resource: Resource<GatewaySpec>;
  readonly listeners: readonly DraftListener[];
  /** Why nothing of it is bound; absent: it is accepted. */
  readonly refused?: { readonly reason: string; readonly message: string };
}

export interface DraftListener {
  readonly gateway: Resource<GatewaySpec>;
  readonly spec: Listener;
  /** As bound, after the offset. */
  readonly port: number;
  conditions: Condition[];
  supportedKinds: readonly { readonly group: string; readonly kind: string }[];
  certificates: readonly IrCertificate[];
  /** It serves: nothing in its conditions forbids it. */
  usable: boolean;
  attachedRoutes: number;
}

export interface DraftRoute {
  readonly resource: Resource<HttpRouteSpec>;
  readonly parents: readonly DraftParent[];
  readonly rules: DraftRule[];
  /** What is wrong with the route beyond single rules: all of it answers 500. */
  readonly invalid: readonly string[];
}

export interface DraftParent {
  readonly ref: ParentRef;
  readonly gateway: DraftGateway;
  readonly attachments: readonly Attachment[];
  conditions: Condition[];
}
export interface Attachment { readonly listener: DraftListener; readonly hostnames: readonly string[] }

export interface DraftRule {
  readonly index: number;
  readonly name: string | undefined;
  readonly matches: readonly IrMatch[];
  readonly action: IrAction;
  /** Why the rule answers 500, in words; empty when it is served. */
  readonly invalid: readonly string[];
  /** Backends that cannot be used: ResolvedRefs=False. */
  readonly unresolved: readonly { readonly reason: string; readonly message: string }[];
}

/** Every kind of policy that is attached to places: what its users write, and what it makes of the places it decides for. policy-kinds.ts has a row for each. */
export interface PolicyKinds {
  readonly SecurityPolicy: { readonly spec: SecurityPolicySpec; readonly effect: SecurityEffect };
  readonly BackendTrafficPolicy: { readonly spec: BackendTrafficPolicySpec; readonly effect: BackendTrafficEffect };
  readonly FaultPolicy: { readonly spec: FaultPolicySpec; readonly effect: FaultEffect };
  readonly ResolverPolicy: { readonly spec: ResolverPolicySpec; readonly effect: WrittenResolverPolicy };
  readonly OIDCPolicy: { readonly spec: OidcPolicySpec; readonly effect: OidcEffect };
  readonly ConcurrencyPolicy: { readonly spec: ConcurrencyPolicySpec; readonly effect: ConcurrencyPolicy };
  readonly ClientTrafficPolicy: { readonly spec: ClientTrafficPolicySpec; readonly effect: ClientTrafficEffect };
  readonly ConnectionLimitPolicy: { readonly spec: ConnectionLimitPolicySpec; readonly effect: ConnectionLimitEffect };
}
export type PolicyKind = keyof PolicyKinds;

/** Without jwt, oidc and cors: the policy says nothing. */
export interface SecurityEffect { readonly jwt?: IrJwt; readonly keySets: readonly string[]; readonly oidc?: OidcLogin; readonly cors?: IrCors }

/** What the SecurityPolicy alone says of the login; the rule's listener and OIDCPolicy say the rest. */
export interface OidcLogin {
  readonly policy: Omit<OidcPolicy, 'clientAuthentication' | 'redirectUrl' | 'callbackPath'>;
  readonly redirect: RedirectUrl;
  /** A session in place of a token of jwt. */
  readonly session: Provider;
  readonly clientSecret?: Secret;
}

/** What is absent, the login is without. */
export interface OidcEffect extends Pick<OidcPolicy, 'session' | 'assertionMs' | 'claimHeaders' | 'jwksPath' | 'postLogoutRedirectUrl' | 'backChannelLogoutPath' | 'authorizationParameters' | 'maxAgeMs' | 'requiredAcr' | 'passPreflight' | 'errorPage'> {
  /** The secret is the SecurityPolicy's. */
  readonly client: { readonly method: 'client_secret_basic' | 'client_secret_post' } | Extract<ClientAuthentication, { method: 'private_key_jwt' | 'none' }>;
  /** Without an audience: the SecurityPolicy. */
  readonly identity?: { readonly header: string; readonly audience: string | undefined; readonly namespace: string };
}

export interface BackendTrafficEffect {
  /** What its fault is counted under. */
  readonly name: string;
  readonly fault?: Fault;
  /** For rules that have none of their own; 0: without end. */
  readonly requestTimeoutMs?: number;
  /** Rules under it get clusters of their own. */
  readonly cluster?: ClusterSettings;
}
export interface ClusterSettings {
  readonly circuitBreaker?: CircuitBreaker;
  readonly connectTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
  readonly maxConnectionMs?: number;
}

export interface FaultEffect { readonly name: string; readonly faults: readonly Fault[]; readonly maxActiveFaults?: number }

/** What is absent keeps its default. */
export interface ClientTrafficEffect {
  readonly limits: readonly ListenerLimit[];
  readonly http: IrHttpLimits;
  readonly clientValidation?: { readonly authority: IrAuthority; readonly optional: boolean };
  /** Of the port: its listeners cannot differ in these. */
  readonly port: PortSettings;
}
export interface PortSettings { readonly bufferLimitBytes?: number; readonly acceptsPerEvent?: number }

export interface ConnectionLimitEffect { readonly limits: readonly ListenerLimit[] }

export interface DraftPolicy<Kind extends PolicyKind> {
  readonly resource: Resource<PolicyKinds[Kind]['spec']>;
  readonly effect: Effect<PolicyKinds[Kind]['effect']>;
  ancestors: AncestorStatus[];
}

/** Closed: whatever the policy decides for answers 500. It is never half applied. */
export type Effect<Value> =
  | { readonly kind: 'applied'; readonly value: Value }
  | { readonly kind: 'closed'; readonly reason: Reason; readonly message: string };

export type Attached = { readonly [Kind in PolicyKind]: Map<string, DraftPolicy<Kind>> };

export interface DraftUnsupported { readonly resource: Resource<UnsupportedPolicySpec>; ancestors: AncestorStatus[] }

/** A thing that a policy can be attached to. */
export interface Place { readonly kind: 'Gateway' | 'HTTPRoute'; readonly namespace: string; readonly name: string; readonly section?: string | undefined }

export function placeKey({ kind, namespace, name, section }: Place): string {
  return section === undefined ? `${kind}/${namespace}/${name}` : `${kind}/${namespace}/${name}/${section}`;
}

/** A condition of an object, with its generation. */
export function condition(of: Resource<unknown>, type: string, status: boolean, reason: string, message: string): Condition {
  const { generation } = of.metadata;
  return { type, status: status ? 'True' : 'False', reason, message, ...(generation === undefined ? {} : { observedGeneration: generation }) };
}
