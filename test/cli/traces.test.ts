// Spans reach a collector where the environment names one, and nothing is loaded where it does not.
import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { traces } from '../../cli/traces.ts';

let collector: Server | undefined;
afterEach(() => {
  delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  collector?.close();
});

test('off unless it is configured', async () => expect(await traces({})).toBeUndefined());

test('a span reaches the collector', async () => {
  const bodies: string[] = [];
  collector = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    bodies.push(`${request.method} ${request.url} ${text}`);
    response.end('{}');
  });
  await once(collector.listen(0, '127.0.0.1'), 'listening');
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  const spans = await traces(process.env);
  spans?.tracer.startSpan('resolver request_headers').end();
  await expect.poll(() => bodies, { timeout: 10_000 }).toHaveLength(1);
  spans?.tracer.startSpan('the last one').end();
  await spans?.flush();
  expect(bodies[1]).toContain('the last one');
  expect(bodies[0]).toContain('POST /v1/traces ');
  expect(bodies[0]).toContain('resolver request_headers');
  expect(bodies[0]).toContain('gatewright-extproc');
});

test('a collector that is away holds nobody up by an error', async () => {
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://127.0.0.1:1';
  const spans = await traces(process.env);
  spans?.tracer.startSpan('lost').end();
  await spans?.flush();
});
