// What became of the question where a name is.

export type Answer =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[]; readonly validForMs: number; readonly stale: boolean }
  | { readonly kind: 'no_such_name' }                         // NXDOMAIN
  | { readonly kind: 'no_address' }                           // the name is there, without an address of the family asked for
  | { readonly kind: 'timeout' }
  | { readonly kind: 'failed'; readonly code: string }        // SERVFAIL, REFUSED, nonsense, nobody listening
  | { readonly kind: 'overloaded' };
