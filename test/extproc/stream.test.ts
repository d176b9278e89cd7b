// One stream with a clock of our own: order, deadlines, ends; and what may be seen of it outside.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ROOT_CONTEXT, type Span, type Tracer, trace } from '@opentelemetry/api';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { Observer } from '../../extproc/observer.ts';
import { Policies } from '../../extproc/policies.ts';
import type { AnyProcessor, Authorizer, BodyMessage, Processor } from '../../extproc/processor.ts';
import type { Reply } from '../../extproc/reply.ts';
import { ProcessorStream } from '../../extproc/stream.ts';
import { type World, realWorld } from '../../extproc/world.ts';
import { Secret } from '../../policy/secret.ts';
import { ProcessingRequestSchema, type ProcessingResponse, ProcessingResponseSchema } from '../../proto/envoy/service/ext_proc/v3/external_processor_pb.js';

class Clock {
  #now = 0;
  #timers: { readonly at: number; readonly call: () => void }[] = [];
  readonly world: World = {
    ...realWorld, monotonic: () => this.#now,
    after: (milliseconds, call) => {
      const timer = { at: this.#now + milliseconds, call };
      this.#timers.push(timer);
      return () => { this.#timers = this.#timers.filter((each) => each !== timer); };
    },
  };
  get waiting(): number { return this.#timers.length; }
  advance(milliseconds: number): void {
    this.#now += milliseconds;
    for (const timer of this.#timers.filter(({ at }) => at <= this.#now)) {
      this.#timers.splice(this.#timers.indexOf(timer), 1);
      timer.call();
    }
  }
}

class Envoy {
  readonly clock = new Clock();
  readonly registry = new Registry();
  readonly log: object[] = [];
  readonly events: (ProcessingResponse | string)[] = [];
  readonly stream: ProcessorStream;
  constructor(processor: AnyProcessor, metadata: Readonly<Record<string, string>> = {}, tracer?: Tracer) {
    const observer = new Observer({ log: { warn: (...said: unknown[]) => { this.log.push(said); } }, registry: this.registry, ...(tracer && { tracer }) }, this.clock.world);
    observer.stop();
    this.stream = new ProcessorStream(processor, (name) => metadata[name], {
      send: (frame) => { this.events.push(fromBinary(ProcessingResponseSchema, frame.subarray(5))); return true; },
      drained: async () => {}, pause: () => { this.events.push('pause'); }, resume: () => { this.events.push('resume'); }, end: (status) => { this.events.push(`end ${status}`); },
    }, this.clock.world, observer);
  }
  says(phase: string, value: object): void { this.stream.receive(Buffer.from(toBinary(ProcessingRequestSchema, create(ProcessingRequestSchema, { request: { case: phase, value } as never })))); }
  headers(headers: Readonly<Record<string, string>> = {}): void { this.says('requestHeaders', { headers: { headers: Object.entries(headers).map(([key, value]) => ({ key, rawValue: Buffer.from(value) })) } }); }
  /** What was answered, in short. */
  get told(): string[] {
    return this.events.map((event) => {
      if (typeof event === 'string') return event;
      if (event.response.case === 'immediateResponse') return `${event.response.value.status?.code} ${event.response.value.details}`;
      return event.response.case ?? (event.overrideMessageTimeout ? 'more time' : 'nothing');
    });
  }
}
const soon = (): Promise<void> => new Promise(setImmediate);
const piece = (text: string): object => ({ body: Buffer.from(text) });

test('messages that do not wait for each other are answered one by one, in order', async () => {
  const waiting: (() => void)[] = [];
  const asked: string[] = [];
  const envoy = new Envoy({ name: 'p', onRequestBody: ({ body }: BodyMessage) => { asked.push(Buffer.from(body).toString()); return new Promise<Reply>((resolve) => { waiting.push(() => resolve({ kind: 'mutate', body: Buffer.from(body) })); }); } });
  for (const text of ['a', 'b', 'c']) envoy.says('requestBody', piece(text));
  expect(asked).toEqual(['a']);
  for (let i = 0; i < 3; i++) { waiting[i]?.(); await soon(); }
  expect(asked).toEqual(['a', 'b', 'c']);
  expect(envoy.events.map((event) => typeof event !== 'string' && event.response.case === 'requestBody' ? Buffer.from(event.response.value.response?.bodyMutation?.mutation.value as Uint8Array).toString() : '')).toEqual(['a', 'b', 'c']);
});

test('Envoy is held back while too much waits, and let go again', async () => {
  let answer = (): void => {};
  const envoy = new Envoy({ name: 'p', onRequestBody: ({ body }: BodyMessage) => body.length === 1 ? new Promise<Reply>((resolve) => { answer = () => resolve({ kind: 'continue' }); }) : { kind: 'continue' } });
  envoy.says('requestBody', piece('1'));
  for (let i = 0; i < 3; i++) envoy.says('requestBody', piece('x'.repeat(500_000)));
  expect(envoy.told).toEqual(['pause']);
  answer();
  await soon();
  expect(envoy.told).toEqual(['pause', 'requestBody', 'requestBody', 'requestBody', 'resume', 'requestBody']);
});

test('the deadline closes the request, aborts the work and stays the only answer', async () => {
  let signal: AbortSignal | undefined;
  let answer: (reply: Reply) => void = () => {};
  const envoy = new Envoy({ name: 'p', deadline: 1000, onRequestHeaders: (_, stream) => { signal = stream.signal; return new Promise((resolve) => { answer = resolve; }); } });
  envoy.headers();
  envoy.clock.advance(999);
  expect({ told: envoy.told, aborted: signal?.aborted }).toEqual({ told: [], aborted: false });
  envoy.clock.advance(1);
  expect({ told: envoy.told, aborted: signal?.aborted }).toEqual({ told: ['500 gatewright_extproc_deadline'], aborted: true });
  answer({ kind: 'continue' });
  await soon();
  expect(envoy.told).toHaveLength(1);
  expect(await envoy.registry.getSingleMetricAsString('gatewright_extproc_late_answers_total')).toContain('gatewright_extproc_late_answers_total{processor="p"} 1');
});

test('an answer in time leaves no timer behind', async () => {
  const envoy = new Envoy({ name: 'p', onRequestHeaders: async (_, stream) => { stream.extend(5000); return { kind: 'continue' }; } });
  envoy.headers();
  expect(envoy.clock.waiting).toBe(1);
  await soon();
  expect({ told: envoy.told, timers: envoy.clock.waiting }).toEqual({ told: ['more time', 'requestHeaders'], timers: 0 });
});

test('time is extended once a message', async () => {
  const envoy = new Envoy({ name: 'p', onRequestHeaders: (_, stream) => { stream.extend(5000); stream.extend(9000); return new Promise<never>(() => {}); } });
  envoy.headers();
  envoy.clock.advance(5000);
  expect(envoy.told).toEqual(['more time', '500 gatewright_extproc_deadline']);
});

test('when Envoy goes, the work is aborted and nothing is answered', async () => {
  let signal: AbortSignal | undefined;
  const closed: unknown[] = [];
  const envoy = new Envoy({ name: 'p', onRequestHeaders: (_, stream) => { signal = stream.signal; return new Promise<never>(() => {}); }, onClose: (stream) => { closed.push(stream); } });
  envoy.headers();
  envoy.stream.gone();
  envoy.stream.gone();
  expect({ aborted: signal?.aborted, closed: closed.length, told: envoy.told, timers: envoy.clock.waiting }).toEqual({ aborted: true, closed: 1, told: [], timers: 0 });
  expect(await envoy.registry.getSingleMetricAsString('gatewright_extproc_open_streams')).toContain('{processor="p"} 0');
});

test('the stream never ends before the message that waits has its answer', async () => {
  let answer: (reply: Reply) => void = () => {};
  const envoy = new Envoy({ name: 'p', onRequestHeaders: () => new Promise((resolve) => { answer = resolve; }) });
  envoy.headers();
  envoy.stream.halfClosed();
  expect(envoy.told).toEqual([]);
  answer({ kind: 'continue' });
  await soon();
  expect(envoy.told).toEqual(['requestHeaders', 'end ok']);
});

test('after an immediate response nothing is answered any more', () => {
  const envoy = new Envoy({ name: 'p', onRequestHeaders: () => ({ kind: 'respond', status: 403, details: 'refused' }) });
  envoy.headers();
  envoy.says('requestBody', piece('x'));
  envoy.headers();
  expect(envoy.told).toEqual(['403 refused']);
});

test('nonsense is 500', () => {
  const envoy = new Envoy({ name: 'p' });
  envoy.stream.receive(Buffer.from([0xff, 0xff, 0xff]));
  expect(envoy.told).toEqual(['500 gatewright_extproc_malformed_message']);
  const silent = new Envoy({ name: 'p' });
  silent.stream.receive(Buffer.alloc(0));
  expect(silent.told).toEqual(['500 gatewright_extproc_malformed_message']);
});

test('who authorises is not asked about a response whose request nobody saw', () => {
  const authorizer: Authorizer<unknown> = { name: 'p', authorizes: true, policies: new Policies((document) => document), onRequestHeaders: () => ({ kind: 'pass' }), onResponseHeaders: () => ({ kind: 'continue' }) };
  authorizer.policies.add('id', new Secret('{}'));
  const envoy = new Envoy(authorizer, { 'gatewright-policy': 'id' });
  envoy.says('responseHeaders', {});
  expect(envoy.told).toEqual(['500 gatewright_extproc_no_verdict']);
});

test('a policy that is withdrawn stays with the streams that have it', () => {
  const policies = new Policies((document) => document as { tenant: string });
  policies.add('id', new Secret('{"tenant":"blue"}'));
  const envoy = new Envoy({ name: 'p', policies, onRequestHeaders: (_, { policy }) => ({ kind: 'respond', status: 200, details: policy.tenant }) } satisfies Processor<{ tenant: string }>, { 'gatewright-policy': 'id' });
  policies.retain(new Set());
  envoy.headers();
  expect(envoy.told).toEqual(['200 blue']);
  expect(policies.size).toBe(0);
});

test('a policy that is no JSON is refused without a word of it', () => {
  const policies = new Policies((document) => document);
  expect(() => policies.add('id', new Secret('{"clientSecret":"hunter2"'))).toThrow(/^policy id is not JSON$/);
});

test('neither log nor metrics hold anything of a request', async () => {
  const envoy = new Envoy({ name: 'p', onRequestHeaders: ({ headers }) => { throw new TypeError(`cannot read ${headers.get('cookie')}`); } });
  envoy.headers({ cookie: 'session=hunter2', ':path': '/secret' });
  const seen = JSON.stringify(envoy.log) + await envoy.registry.metrics();
  expect(seen).toContain('TypeError');
  expect(seen).toContain('stream.test.ts');
  expect(seen).toContain('gatewright_extproc_messages_total{processor="p",phase="request_headers",outcome="failed",reason="gatewright_extproc_threw"} 1');
  expect(seen).not.toMatch(/hunter2|secret/);
});

test('headers do not print themselves', () => {
  let printed = '';
  const envoy = new Envoy({ name: 'p', onRequestHeaders: (message) => { printed = JSON.stringify(message); return { kind: 'continue' }; } });
  envoy.headers({ cookie: 'session=hunter2' });
  expect(printed).toContain('[1 headers]');
  expect(printed).not.toContain('hunter2');
});

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
test.each([
  ['the gRPC metadata first', { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` }, { traceparent: '00-ffffffffffffffffffffffffffffffff-00f067aa0ba902b7-01' }],
  ['the headers else', {}, { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` }],
])('spans belong to the trace of %s', (_, metadata, headers) => {
  const spans: { name: string; trace: string | undefined; ended: boolean; attributes: Record<string, unknown> }[] = [];
  const tracer = { startSpan: (name: string, options: { attributes: Record<string, unknown> }, context = ROOT_CONTEXT) => {
    const span = { name, trace: trace.getSpanContext(context)?.traceId, ended: false, attributes: { ...options.attributes } };
    spans.push(span);
    return { setAttribute: (key: string, value: unknown) => { span.attributes[key] = value; }, setStatus: () => {}, end: () => { span.ended = true; } } as unknown as Span;
  } } as unknown as Tracer;
  const envoy = new Envoy({ name: 'p', onRequestHeaders: () => ({ kind: 'respond', status: 403, details: 'refused' }) }, metadata, tracer);
  envoy.headers(headers);
  expect(spans).toMatchObject([{ name: 'p request_headers', trace: TRACE, ended: true, attributes: { 'gatewright.outcome': 'respond', 'gatewright.reason': 'refused' } }]);
});

// Compiled, not run: an authorising processor cannot let a request pass without a verdict.
export const asTypes = (policies: Policies<unknown>): unknown => [
  // @ts-expect-error: `continue` is not a decision
  { name: 'p', authorizes: true, policies, onRequestHeaders: () => ({ kind: 'continue' }) } satisfies Authorizer<unknown>,
  // @ts-expect-error: nor is `mutate`
  { name: 'p', authorizes: true, policies, onRequestHeaders: () => ({ kind: 'mutate', set: [] }) } satisfies Authorizer<unknown>,
  // @ts-expect-error: request headers must be answered
  { name: 'p', authorizes: true, policies } satisfies Authorizer<unknown>,
  // @ts-expect-error: nobody passes who does not authorise
  { name: 'p', onRequestHeaders: () => ({ kind: 'pass' }) } satisfies Processor,
];
