// Why the data plane answers by itself. Reasons are API: users alert on them. Add, never rename.

export type Reason =
  /** The policy that covers the route is broken, or says something we do not do: closed, never open. */
  | 'gatewright_policy_invalid'
  /** A policy of a kind that we do not carry out covers the route. */
  | 'gatewright_policy_unsupported'
  /** The ext_proc service, which has to decide on the route's requests, is not there or does not take its policy. */
  | 'gatewright_extproc_unavailable'
  /** The rule, or its route as a whole, says something that we cannot read or do not do. */
  | 'gatewright_route_invalid'
  /** The Service, or its port, is not there. */
  | 'gatewright_backend_not_found'
  /** No ReferenceGrant lets the route refer to it. */
  | 'gatewright_backend_not_permitted'
  /** It is of a kind that we do not send to, or its own document is at fault. */
  | 'gatewright_backend_invalid'
  /** A Backend, while extensionApis.enableBackend does not say that there may be any. */
  | 'gatewright_backend_disabled'
  /** The rule names no backend, or all have weight 0. */
  | 'gatewright_no_backends'
  /** HTTPS: the host belongs to another listener than the one the connection was made to (RFC 9110, 15.5.20). */
  | 'gatewright_misdirected';
