// What can be seen of the service: metrics, traces, logs. None of them ever holds content of a request: no header, no body, no message of an exception.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Failure } from './failure.ts';
import type { Stream } from './processor.ts';
import type { World } from './world.ts';

export interface ObserverOptions {
  readonly log: Pick<Logger, 'warn'>;
  readonly registry: Registry;
  /** None: no spans, and no cost. */
  readonly tracer?: Tracer;
}

/** One message that is being answered. */
export interface Observation { ended(outcome: string, reason: string): void }

// From the 50 µs of an answer at once to the 10 s of a token endpoint.
const LATENCY_BUCKETS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class Observer {
  readonly #log: Pick<Logger, 'warn'>;
  readonly #tracer: Tracer | undefined;
  readonly #world: World;
  readonly #seconds: Histogram<'processor' | 'phase'>;
  readonly #late: Counter<'processor'>;
  // Counted here and handed over when somebody asks: prom-client hashes the labels each time.
  readonly #streams = new Map<string, number>();
  readonly #counts = new Map<string, number>();
  readonly #histograms = new Map<string, { observe(value: number): void }>();
  readonly #loop = monitorEventLoopDelay({ resolution: 10 });

  constructor({ log, registry, tracer }: ObserverOptions, world: World) {
    this.#log = log;
    this.#tracer = tracer;
    this.#world = world;
    const registers = [registry];
    const counts = this.#counts;
    new Counter({
      name: 'gatewright_extproc_messages_total', help: 'Messages answered; reason is the details of an immediate response', labelNames: ['processor', 'phase', 'outcome', 'reason'], registers,
      collect() {
        this.reset();
        for (const [key, count] of counts) this.labels(...key.split(' ')).inc(count);
      },
    });
    this.#seconds = new Histogram({ name: 'gatewright_extproc_message_seconds', help: 'From a message to its answer', labelNames: ['processor', 'phase'], buckets: LATENCY_BUCKETS, registers });
    const streams = this.#streams;
    new Gauge({
      name: 'gatewright_extproc_open_streams', help: 'Requests that Envoy has under way here', labelNames: ['processor'], registers,
      collect() { for (const [processor, count] of streams) this.labels(processor).set(count); },
    });
    this.#late = new Counter({ name: 'gatewright_extproc_late_answers_total', help: 'Answers given after their deadline, or after Envoy had gone', labelNames: ['processor'], registers });
    this.#loop.enable();
    const loop = this.#loop;
    for (const [quantile, read] of [['p50', () => loop.percentile(50)], ['p99', () => loop.percentile(99)], ['max', () => loop.max]] as const) {
      new Gauge({ name: `gatewright_extproc_event_loop_delay_${quantile}_seconds`, help: 'Since the start; of several processes the worst', registers, aggregator: 'max', collect() { this.set(Math.max(0, read() / 1e9 - 0.01)); } });
    }
  }

  opened(processor: string): void { this.#streams.set(processor, (this.#streams.get(processor) ?? 0) + 1); }
  closed(processor: string): void { this.#streams.set(processor, (this.#streams.get(processor) ?? 0) - 1); }
  late(processor: string): void { this.#late.inc({ processor }); }

  began(stream: Stream<unknown>, processor: string, phase: string): Observation {
    const started = this.#world.monotonic();
    const span = this.#tracer === undefined ? undefined : startSpan(this.#tracer, stream, processor, phase);
    return {
      ended: (outcome, reason) => {
        this.#histogram(processor, phase).observe((this.#world.monotonic() - started) / 1000);
        this.#count(processor, phase, outcome, reason);
        if (span !== undefined) endSpan(span, outcome, reason);
      },
    };
  }

  /** What no processor decided: `error` by its kind and its place alone, as its message may quote the request. */
  failed(stream: Stream<unknown>, processor: string, phase: string, reason: Failure, error: unknown): void {
    if (phase === 'none' || reason === 'gatewright_policy_unknown') this.#count(processor, phase, 'failed', reason);
    const problem = error instanceof Error ? { error: error.name, at: frames(error) } : {};
    this.#log.warn({ processor, phase, reason, policy: stream.policyId, ...problem }, 'a request is closed: it was not decided on');
  }

  stop(): void { this.#loop.disable(); }

  #count(processor: string, phase: string, outcome: string, reason: string): void {
    const key = `${processor} ${phase} ${outcome} ${reason}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }
  #histogram(processor: string, phase: string): { observe(value: number): void } {
    const key = `${processor} ${phase}`;
    const known = this.#histograms.get(key) ?? this.#seconds.labels(processor, phase);
    this.#histograms.set(key, known);
    return known;
  }
}

/** Only the places: the first lines of a stack are the message. */
function frames({ stack = '' }: Error): string[] {
  return stack.split('\n').filter((line) => /^ {4}at /.test(line)).slice(0, 5).map((line) => line.trim());
}

function startSpan(tracer: Tracer, stream: Stream<unknown>, processor: string, phase: string): Span {
  const parent = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(stream.traceparent ?? '');
  const context = parent === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { traceId: parent[1] as string, spanId: parent[2] as string, traceFlags: Number.parseInt(parent[3] as string, 16), isRemote: true });
  return tracer.startSpan(`${processor} ${phase}`, { kind: SpanKind.SERVER, attributes: { 'gatewright.processor': processor, 'gatewright.phase': phase, 'gatewright.policy': stream.policyId } }, context);
}

function endSpan(span: Span, outcome: string, reason: string): void {
  span.setAttribute('gatewright.outcome', outcome);
  if (reason !== '') span.setAttribute('gatewright.reason', reason);
  if (outcome === 'failed') span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
  span.end();
}
