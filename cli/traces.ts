// Spans of the ext_proc service to an OpenTelemetry collector, where the environment names one (OTLP over HTTP, the variables of OpenTelemetry's specification).
import type { Tracer } from '@opentelemetry/api';

/** Undefined: OTEL_EXPORTER_OTLP_ENDPOINT (or …_TRACES_ENDPOINT) is not set, and nothing of OpenTelemetry is loaded. */
export async function tracer(env: NodeJS.ProcessEnv): Promise<Tracer | undefined> {
  if ((env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] ?? env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '') === '') return undefined;
  const [{ BatchSpanProcessor, TracerProvider }, { OTLPTraceExporter }, { defaultResource, resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/sdk-trace'), import('@opentelemetry/exporter-trace-otlp-http'), import('@opentelemetry/resources'),
  ]);
  const resource = defaultResource().merge(resourceFromAttributes({ 'service.name': env['OTEL_SERVICE_NAME'] ?? 'gatewright-extproc' }));
  // A second is what a service that ends may lose.
  return new TracerProvider({ resource, spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), scheduledDelayMillis: 1_000 })] }).getTracer('gatewright');
}
