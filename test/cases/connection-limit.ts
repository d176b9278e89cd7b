// Limits on connections, as sentences: who is let in, who is not, in which order. test/filters runs them in the VM, test/envoy in Envoy.
import type { z } from 'zod';
import type { ListenerLimit } from '../../policy/connection-limit.ts';

export type Limit = z.input<typeof ListenerLimit>;

/** Who opens a connection. `certificate` names one of the clients' certificates; a name or a certificate means TLS. */
export interface Client {
  readonly from?: string;
  readonly serverName?: string;
  readonly certificate?: 'alice' | 'bob';
}

/**
 * served   it is let in: what it sends gets through
 * refused  it is closed, and nothing it sends gets through
 * waiting  the same, but it is not closed yet
 */
export type Fate = 'served' | 'refused' | 'waiting';

export type Step =
  | { readonly open: string; readonly fate: Fate; readonly as: Client }
  | { readonly close: string }
  /** Somebody who was waiting is closed now. */
  | { readonly closed: string };

const opens = (fate: Fate) => (open: string, as: Client = {}): Step => ({ open, fate, as });
const served = opens('served'), refused = opens('refused'), waiting = opens('waiting');
const leaves = (close: string): Step => ({ close });
const closed = (who: string): Step => ({ closed: who });

export interface ConnectionCase {
  readonly name: string;
  readonly limits: readonly Limit[];
  readonly tls?: boolean;
  readonly steps: readonly Step[];
  /** Refusals by `<limit>.<reason>`, and of dry runs; none where not given. */
  readonly refusals?: Readonly<Record<string, number>>;
  readonly dry?: Readonly<Record<string, number>>;
}

const A = { from: '127.0.0.2' }, B = { from: '127.0.0.3' };
const one = { name: 'one' }, two = { name: 'two' };
const named = (serverName: string): Client => ({ serverName });
const alice: Client = { certificate: 'alice' }, bob: Client = { certificate: 'bob' };

export const cases: readonly ConnectionCase[] = [
  { name: 'lets all in without limits', limits: [], steps: [served('a'), served('b'), served('c')] },
  { name: 'lets in as many as the value and no more', limits: [{ ...one, value: 2 }], steps: [served('a'), served('b'), refused('c'), refused('d')], refusals: { 'one.value': 2 } },
  { name: 'lets one in for each that leaves', limits: [{ ...one, value: 2 }], steps: [served('a'), served('b'), refused('c'), leaves('a'), served('d'), refused('e'), leaves('b'), leaves('d'), served('f'), served('g'), refused('h')], refusals: { 'one.value': 3 } },
  { name: 'keeps a refused one waiting, and does not count it meanwhile', limits: [{ ...one, value: 1, closeDelay: '3s' }], steps: [served('a'), waiting('b'), leaves('a'), served('c'), waiting('d'), closed('b'), closed('d')], refusals: { 'one.value': 2 } },
  { name: 'forgets a refused one that does not wait to be closed', limits: [{ ...one, value: 1, closeDelay: '1h' }], steps: [served('a'), waiting('b'), leaves('b'), waiting('c'), leaves('a'), served('d'), leaves('c'), waiting('e')], refusals: { 'one.value': 3 } },

  { name: 'counts each source by itself', limits: [{ ...one, per: 'SourceIP', value: 1 }], steps: [served('a', A), refused('b', A), served('c', B), refused('d', B), leaves('a'), served('e', A)], refusals: { 'one.value': 2 } },
  { name: 'counts the sources of a network together', limits: [{ ...one, per: 'SourceIP', ipv4PrefixLength: 24, value: 1 }], steps: [served('a', { from: '127.0.7.1' }), refused('b', { from: '127.0.7.200' }), served('c', { from: '127.0.8.1' })], refusals: { 'one.value': 1 } },
  { name: 'limits only the sources it is for', limits: [{ ...one, sources: ['10.0.0.0/8', '127.0.0.2/32'], value: 1 }], steps: [served('a', A), refused('b', A), served('c', B), served('d', B)], refusals: { 'one.value': 1 } },
  { name: 'neither limits nor counts allowed sources', limits: [{ ...one, allow: ['127.0.0.3/32'], value: 1 }], steps: [served('a', B), served('b', B), served('c', A), refused('d', A), served('e', B)], refusals: { 'one.value': 1 } },
  { name: 'allows sources of those it is for', limits: [{ ...one, sources: ['127.0.0.0/8'], allow: ['127.0.0.3/32'], value: 1 }], steps: [served('a', A), refused('b', A), served('c', B), served('d', B)], refusals: { 'one.value': 1 } },
  { name: 'takes networks of IPv6 for what they are', limits: [{ ...one, sources: ['::/0'], value: 1 }, { ...two, sources: ['::ffff:127.0.0.2/128'], value: 1 }], steps: [served('a', B), served('b', B), served('c', A), refused('d', A)], refusals: { 'two.value': 1 } },

  { name: 'holds to several limits at once', limits: [{ ...one, value: 3 }, { ...two, per: 'SourceIP', value: 2 }], steps: [served('a', A), served('b', A), refused('c', A), served('d', B), refused('e', B)], refusals: { 'one.value': 1, 'two.value': 1 } },
  { name: 'gives back what a refused one took of other limits', limits: [{ ...one, value: 2 }, { ...two, per: 'SourceIP', value: 1 }], steps: [served('a', A), refused('b', A), refused('c', A), served('d', B)], refusals: { 'two.value': 2 } },
  { name: 'lets so many in at a time, whatever leaves', limits: [{ ...one, rate: { connections: 2, per: '1h' } }], steps: [served('a'), leaves('a'), served('b'), leaves('b'), refused('c'), refused('d')], refusals: { 'one.rate': 2 } },
  { name: 'lets a burst in', limits: [{ ...one, rate: { connections: 1, per: '1h', burst: 3 } }], steps: [served('a'), served('b'), served('c'), refused('d')], refusals: { 'one.rate': 1 } },
  { name: 'takes each source by its own rate', limits: [{ ...one, per: 'SourceIP', rate: { connections: 1, per: '1h' } }], steps: [served('a', A), refused('b', A), served('c', B), refused('d', B)], refusals: { 'one.rate': 2 } },
  { name: 'gives the rate back for one that another limit refused', limits: [{ ...one, rate: { connections: 2, per: '1h' } }, { ...two, per: 'SourceIP', value: 1 }], steps: [served('a', A), refused('b', A), refused('c', A), served('d', B), refused('e', B)], refusals: { 'two.value': 2, 'one.rate': 1 } },
  { name: 'holds to value and rate of one limit', limits: [{ ...one, value: 1, rate: { connections: 2, per: '1h' } }], steps: [served('a'), refused('b'), leaves('a'), served('c'), leaves('c'), refused('d')], refusals: { 'one.value': 1, 'one.rate': 1 } },
  { name: 'gives the place back for one that came too fast', limits: [{ ...one, value: 2, rate: { connections: 1, per: '1h' } }, { ...two, value: 5 }], steps: [served('a'), refused('b'), refused('c')], refusals: { 'one.rate': 2 } },

  { name: 'lets in and counts what a dry run would refuse', limits: [{ ...one, value: 1, dryRun: true }], steps: [served('a'), served('b'), leaves('a'), served('c'), leaves('b'), leaves('c'), served('d')], dry: { 'one.value': 2 } },
  { name: 'runs dry for a rate', limits: [{ ...one, rate: { connections: 1, per: '1h' }, dryRun: true }], steps: [served('a'), served('b')], dry: { 'one.rate': 1 } },
  { name: 'refuses by the limit behind a dry run', limits: [{ ...one, value: 1, dryRun: true }, { ...two, value: 2 }], steps: [served('a'), served('b'), refused('c'), leaves('a'), served('d')], refusals: { 'two.value': 1 }, dry: { 'one.value': 3 } },

  { name: 'counts all without a server name together', limits: [{ ...one, per: 'ServerName', value: 1 }], steps: [served('a'), refused('b')], refusals: { 'one.value': 1 } },
  { name: 'counts each server name by itself', tls: true, limits: [{ ...one, per: 'ServerName', value: 1 }], steps: [served('a', named('a.example.com')), refused('b', named('A.example.COM')), served('c', named('b.example.com')), served('d'), refused('e')], refusals: { 'one.value': 2 } },
  { name: 'refuses before a handshake', tls: true, limits: [{ ...one, value: 1 }], steps: [served('a'), refused('b', named('a.example.com'))], refusals: { 'one.value': 1 } },
  { name: 'keeps one waiting after its handshake', tls: true, limits: [{ ...one, value: 1, closeDelay: '3s' }], steps: [served('a'), waiting('b'), leaves('a'), served('c'), closed('b')], refusals: { 'one.value': 1 } },
  { name: 'counts each client certificate by itself, and none without', tls: true, limits: [{ ...one, per: 'ClientCertificate', value: 1 }], steps: [served('a', alice), refused('b', alice), served('c', bob), served('d'), served('e'), leaves('a'), served('f', alice)], refusals: { 'one.value': 1 } },
  { name: 'keeps a certificate too many waiting', tls: true, limits: [{ ...one, per: 'ClientCertificate', value: 1, closeDelay: '3s' }], steps: [served('a', alice), waiting('b', alice), leaves('a'), served('c', alice), closed('b')], refusals: { 'one.value': 1 } },
  { name: 'gives back what a certificate too many took of other limits', tls: true, limits: [{ ...one, value: 2 }, { ...two, per: 'ClientCertificate', value: 1, closeDelay: '1h' }], steps: [served('a', alice), waiting('b', alice), served('c', bob), refused('d', bob)], refusals: { 'one.value': 1, 'two.value': 1 } },
  { name: 'limits only the certificates from sources it is for', tls: true, limits: [{ ...one, per: 'ClientCertificate', sources: ['127.0.0.2/32'], value: 1 }], steps: [served('a', { ...alice, ...A }), refused('b', { ...alice, ...A }), served('c', { ...alice, ...B })], refusals: { 'one.value': 1 } },
];

/** The case's limits under names of their own, so that one Envoy can run all cases. */
export const limitsOf = ({ limits }: ConnectionCase, prefix: string): Limit[] => limits.map((limit) => ({ ...limit, name: `${prefix}${limit.name}` }));
