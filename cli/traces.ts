// Spans of the ext_proc service to an OpenTelemetry collector, where the environment names one (OTLP over HTTP, the variables of OpenTelemetry's specification).
import type { Tracer } from '@opentelemetry/api';

export interface Traces {
  readonly tracer: Tracer;
  /** Sends what has not been sent yet. Never rejects. */
  readonly flush: () => Promise<void>;
}

/** Undefined: OTEL_EXPORTER_OTLP_ENDPOINT (or …_TRACES_ENDPOINT) is not set, and nothing of OpenTelemetry is loaded. */
export async function traces(env: NodeJS.ProcessEnv): Promise<Traces | undefined> {
  if ((env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] ?? env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '') === '') return undefined;
  const [{ BatchSpanProcessor, TracerProvider }, { OTLPTraceExporter }, { defaultResource, resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/sdk-trace'), import('@opentelemetry/exporter-trace-otlp-http'), import('@opentelemetry/resources'),
  ]);
  const resource = defaultResource().merge(resourceFromAttributes({ 'service.name': env['OTEL_SERVICE_NAME'] ?? 'gatewright-extproc' }));
  // A second is what a service that is killed may lose.
  const provider = new TracerProvider({ resource, spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), scheduledDelayMillis: 1_000 })] });
  return { tracer: provider.getTracer('gatewright'), flush: () => provider.forceFlush().catch(() => undefined) };
}
