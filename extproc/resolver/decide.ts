// Pure: from the host, the policy and what DNS said to the addresses that may be dialled, or to a refusal.
import type { Answer } from './answer.ts';
import type { Authority, Host } from './authority.ts';
import { type AddressRefusal, type Rules, addressRefusal, nameAllowed, onThisMachine, portAllowed } from './rules.ts';

/** Reasons are API: users alert on them. Add, never rename. */
export type RefusalReason =
  | 'gatewright_resolver_bad_authority' | 'gatewright_resolver_name_refused' | 'gatewright_resolver_port_refused' | 'gatewright_resolver_address_refused'
  | 'gatewright_resolver_no_such_name' | 'gatewright_resolver_no_address' | 'gatewright_resolver_dns_failed' | 'gatewright_resolver_dns_timeout'
  | 'gatewright_resolver_unreachable' | 'gatewright_resolver_overloaded';

export interface Refusal {
  readonly kind: 'refused';
  readonly status: 403 | 502 | 503 | 504;
  readonly reason: RefusalReason;
  readonly body: string;
  /** For the log, never for the client: which class of address, which problem of spelling. */
  readonly detail: string;
}

// The body does not say what a name resolved to: that would tell a client about the network behind the gateway.
const REFUSALS: Readonly<Record<RefusalReason, readonly [Refusal['status'], string]>> = {
  gatewright_resolver_bad_authority: [403, 'host not accepted'],
  gatewright_resolver_name_refused: [403, 'host refused'],
  gatewright_resolver_port_refused: [403, 'port refused'],
  gatewright_resolver_address_refused: [403, 'address refused'],
  gatewright_resolver_no_such_name: [502, 'no such host'],
  gatewright_resolver_no_address: [502, 'host has no address'],
  gatewright_resolver_dns_failed: [502, 'host lookup failed'],
  gatewright_resolver_dns_timeout: [504, 'host lookup timed out'],
  gatewright_resolver_unreachable: [502, 'host does not answer'],
  gatewright_resolver_overloaded: [503, 'too many host lookups'],
};
export const REFUSAL_REASONS = Object.keys(REFUSALS) as readonly RefusalReason[];

export function refuse(reason: RefusalReason, detail = ''): Refusal {
  const [status, body] = REFUSALS[reason];
  return { kind: 'refused', status, reason, body, detail };
}

/** The host that is asked for, before anything is looked up. */
export function admitHost(authority: Authority, rules: Rules): Host | Refusal {
  if (authority.kind === 'bad') return refuse('gatewright_resolver_bad_authority', authority.problem);
  if (!nameAllowed(rules, authority.host)) return refuse('gatewright_resolver_name_refused');
  if (!portAllowed(rules, authority.host.port)) return refuse('gatewright_resolver_port_refused');
  return authority.host;
}

/** Addresses to dial, in the order of the answer; and for how long that holds. */
export interface Candidates { readonly kind: 'candidates'; readonly addresses: readonly string[]; readonly validForMs: number }

/** What may be dialled of the answer. Good addresses stay, bad ones among them go; none left: refused. `ownPort`: on this machine the port is the gateway's own, whatever the policy opens. */
export function admitAddresses(answer: Answer, rules: Rules, own: ReadonlySet<string>, ownPort = false): Candidates | Refusal {
  switch (answer.kind) {
    case 'no_such_name': return refuse('gatewright_resolver_no_such_name');
    case 'no_address': return refuse('gatewright_resolver_no_address');
    case 'timeout': return refuse('gatewright_resolver_dns_timeout');
    case 'failed': return refuse('gatewright_resolver_dns_failed', answer.code);
    case 'overloaded': return refuse('gatewright_resolver_overloaded');
    case 'addresses': break;
  }
  const refused = new Set<AddressRefusal>();
  const addresses = answer.addresses.filter((address) => {
    const refusal = addressRefusal(rules, address, own) ?? (ownPort && onThisMachine(address, own) ? 'Own' : null);
    if (refusal !== null) refused.add(refusal);
    return refusal === null;
  });
  if (addresses.length === 0) return refuse('gatewright_resolver_address_refused', [...refused].join(','));
  return { kind: 'candidates', addresses, validForMs: answer.validForMs };
}
