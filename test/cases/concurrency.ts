// Limits on requests in flight, as sentences. test/filters runs them in the VM, test/envoy in Envoy.
import type { z } from 'zod';
import type { ConcurrencyPolicy } from '../../policy/connection-limit.ts';

export type Limits = z.input<typeof ConcurrencyPolicy>['limits'];

export interface Asker {
  readonly headers?: Readonly<Record<string, string>>;
  /** Of its token, as filters/jwt publishes them. */
  readonly claims?: Readonly<Record<string, string>>;
  readonly from?: string;
}

export type Step =
  /** `status`: of the refusal; 0: it is let in, and stays in flight. */
  | { readonly ask: string; readonly status: number; readonly grpcStatus?: number; readonly as: Asker }
  /** It is answered. */
  | { readonly answer: string }
  /** Its client leaves. */
  | { readonly leave: string };

const served = (ask: string, as: Asker = {}): Step => ({ ask, status: 0, as });
const refused = (ask: string, as: Asker = {}, status = 429): Step => ({ ask, status, as });
const refusedGrpc = (ask: string, grpcStatus: number): Step => ({ ask, status: 200, grpcStatus, as: { headers: { 'content-type': 'application/grpc' } } });
const answered = (answer: string): Step => ({ answer });
const leaves = (leave: string): Step => ({ leave });

export interface ConcurrencyCase {
  readonly name: string;
  readonly limits: Limits;
  readonly steps: readonly Step[];
  /** Refusals by limit, and of dry runs; none where not given. */
  readonly refusals?: Readonly<Record<string, number>>;
  readonly dry?: Readonly<Record<string, number>>;
}

const one = { name: 'one', value: 1 }, two = { name: 'two', value: 2 };
const key = (value: string): Asker => ({ headers: { 'x-key': value } });
const claim = (name: string, value: string): Asker => ({ claims: { [name]: value } });

export const cases: readonly ConcurrencyCase[] = [
  { name: 'lets in as many as the value and no more', limits: [two], steps: [served('a'), served('b'), refused('c'), refused('d')], refusals: { two: 2 } },
  { name: 'lets one in for each that is answered or leaves', limits: [two], steps: [served('a'), served('b'), refused('c'), answered('a'), served('d'), refused('e'), leaves('b'), served('f'), refused('g')], refusals: { two: 3 } },
  { name: 'answers 503 where it is said', limits: [{ ...one, httpStatus: 503 }], steps: [served('a'), refused('b', {}, 503)], refusals: { one: 1 } },
  { name: 'tells gRPC that a resource is exhausted', limits: [one], steps: [served('a'), refusedGrpc('b', 8)], refusals: { one: 1 } },
  { name: 'tells gRPC that it is unavailable for 503', limits: [{ ...one, httpStatus: 503 }], steps: [served('a'), refusedGrpc('b', 14)], refusals: { one: 1 } },
  { name: 'counts each value of a header by itself, and none without', limits: [{ ...one, key: { type: 'Header', name: 'X-Key' } }], steps: [served('a', key('1')), refused('b', key('1')), served('c', key('2')), served('d'), served('e'), answered('a'), served('f', key('1'))], refusals: { one: 1 } },
  { name: 'counts each value of a cookie by itself', limits: [{ ...one, key: { type: 'Cookie', name: 'id' } }], steps: [served('a', { headers: { cookie: 'x=1; id=7' } }), refused('b', { headers: { cookie: 'id=7; x=2' } }), served('c', { headers: { cookie: 'id=8' } }), served('d')], refusals: { one: 1 } },
  { name: 'counts each value of a claim by itself', limits: [{ ...one, key: { type: 'Claim', name: 'sub' } }], steps: [served('a', claim('sub', 'alice')), refused('b', claim('sub', 'alice')), served('c', claim('sub', 'bob')), served('d')], refusals: { one: 1 } },
  { name: 'counts each source by itself', limits: [{ ...one, key: { type: 'SourceIP' } }], steps: [served('a', { from: '127.0.0.2' }), refused('b', { from: '127.0.0.2' }), served('c', { from: '127.0.0.3' })], refusals: { one: 1 } },
  { name: 'limits only those whose token says so', limits: [{ ...one, claims: [{ name: 'plan', values: ['free', 'trial'] }] }], steps: [served('a', claim('plan', 'free')), refused('b', claim('plan', 'trial')), served('c', claim('plan', 'paid')), served('d')], refusals: { one: 1 } },
  { name: 'holds to several limits at once, and gives back what a refused one took', limits: [two, { ...one, key: { type: 'Header', name: 'x-key' } }], steps: [served('a', key('1')), refused('b', key('1')), refused('c', key('1')), served('d', key('2')), refused('e', key('3'))], refusals: { one: 2, two: 1 } },
  { name: 'lets in and counts what a dry run would refuse', limits: [{ ...one, dryRun: true }], steps: [served('a'), served('b'), answered('a'), served('c')], dry: { one: 2 } },
];
