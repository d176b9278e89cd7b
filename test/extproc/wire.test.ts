// Our hand-written encoding against the generated schema of the Envoy that is run.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { HeaderList } from '../../extproc/header-list.ts';
import type { Json } from '../../extproc/reply.ts';
import { type Phase, readAttributes, readMessage, readMetadata } from '../../extproc/wire-request.ts';
import { InvalidReply, changed, continued, immediate, moreTime, streamedBody, streamedHeaders, streamedTrailers } from '../../extproc/wire-response.ts';
import { ProcessingRequestSchema, ProcessingResponseSchema } from '../../proto/envoy/service/ext_proc/v3/external_processor_pb.js';

const decoded = (frame: Buffer) => {
  expect(frame[0]).toBe(0);
  expect(frame.readUInt32BE(1)).toBe(frame.length - 5);
  return fromBinary(ProcessingResponseSchema, frame.subarray(5));
};
const said = (message: object): Buffer => Buffer.from(toBinary(ProcessingRequestSchema, create(ProcessingRequestSchema, message as never)));
const inHeaders = { phase: 'request_headers', headers: HeaderList.of([['x-have', '1']]), body: undefined, bodyMode: 'NONE', endOfStream: false } as const;

const structs: Record<string, Json> = { text: 'zażółć', empty: '', number: 1.5, negative: -7, yes: true, no: false, nothing: null, list: [1, 'two', [], {}], object: { deep: { deeper: ['x'] } } };

test.each(['request_headers', 'request_body', 'request_trailers', 'response_headers', 'response_body', 'response_trailers'] satisfies Phase[])('%s is answered under its own name', (phase) => {
  const name = phase.replace(/_(\w)/, (_, letter: string) => letter.toUpperCase());
  expect(decoded(continued({ ...inHeaders, phase })).response.case).toBe(name);
  expect(readMessage(said({ request: { case: name, value: {} } })).phase).toBe(phase);
});

test('dynamic metadata keeps every kind of value', () => {
  expect(decoded(changed(inHeaders, { metadata: { 'my.namespace': structs } })).dynamicMetadata).toEqual({ 'my.namespace': structs });
});

test('a mode names all that Envoy has, and what is not named is not sent', () => {
  expect(decoded(changed(inHeaders, { mode: { requestBody: 'BUFFERED', responseTrailers: true } })).modeOverride).toMatchObject({ requestHeaderMode: 0, responseHeaderMode: 2, requestBodyMode: 2, responseBodyMode: 0, requestTrailerMode: 2, responseTrailerMode: 1 });
  expect(decoded(changed(inHeaders, { mode: { requestBody: 'FULL_DUPLEX_STREAMED', requestTrailers: true, responseHeaders: true, responseBody: 'STREAMED' } })).modeOverride).toMatchObject({ responseHeaderMode: 1, requestBodyMode: 4, responseBodyMode: 1, requestTrailerMode: 1, responseTrailerMode: 2 });
});

test('a change of headers: raw_value and append alone', () => {
  const { response } = decoded(changed(inHeaders, { set: [['X-Set', 'ż']], append: [['x-more', '1'], ['x-more', '2']], addIfAbsent: [['x-have', 'no'], ['x-new', 'yes']], remove: ['x-gone'], clearRouteCache: true }));
  const common = response.case === 'requestHeaders' ? response.value.response : undefined;
  expect(common?.clearRouteCache).toBe(true);
  expect(common?.headerMutation?.removeHeaders).toEqual(['x-gone']);
  expect(common?.headerMutation?.setHeaders.map(({ header, append, appendAction }) => [header?.key, header?.value, Buffer.from(header?.rawValue ?? []).toString(), append, appendAction])).toEqual([
    ['x-set', '', 'ż', undefined, 0], ['x-new', '', 'yes', undefined, 0], ['x-more', '', '1', true, 0], ['x-more', '', '2', true, 0],
  ]);
});

test('an immediate response', () => {
  const { response } = decoded(immediate({ kind: 'respond', status: 418, body: new Uint8Array([1, 2]), grpcStatus: 16, details: 'no_tea', headers: [['a', '1']] }));
  expect(response).toMatchObject({ case: 'immediateResponse', value: { status: { code: 418 }, body: Buffer.from([1, 2]), grpcStatus: { status: 16 }, details: 'no_tea' } });
});

test('more time, in seconds and nanoseconds', () => {
  expect(decoded(moreTime(2750)).overrideMessageTimeout).toMatchObject({ seconds: 2n, nanos: 750_000_000 });
});

test('a streamed response', () => {
  const head = decoded(streamedHeaders({ kind: 'respond_streamed', status: 201, headers: [['a', '1']], details: 'ok', body: (async function* none() {})() })).response;
  expect(head).toMatchObject({ case: 'streamedImmediateResponse', value: { response: { case: 'headersResponse', value: { headers: { headers: [{ key: ':status' }, { key: 'a' }] } } } } });
  expect(decoded(streamedBody('x', true)).response).toMatchObject({ value: { response: { case: 'bodyResponse', value: { endOfStream: true } } } });
  expect(decoded(streamedTrailers([['t', '1']])).response).toMatchObject({ value: { response: { case: 'trailersResponse', value: { headers: [{ key: 't' }] } } } });
});

test('answers of any size', () => {
  const body = 'ą'.repeat(200_000);
  const { response } = decoded(changed({ ...inHeaders, phase: 'request_body' }, { body, set: Array.from({ length: 2000 }, (_, i) => [`x-${i}`, 'v'.repeat(100)] as const) }));
  const common = response.case === 'requestBody' ? response.value.response : undefined;
  expect(Buffer.from(common?.bodyMutation?.mutation.value as Uint8Array).toString()).toBe(body);
  expect(common?.headerMutation?.setHeaders).toHaveLength(2000);
});

test('what Envoy says is read: headers, attributes, metadata, modes', () => {
  const message = readMessage(said({
    request: { case: 'requestHeaders', value: { headers: { headers: [{ key: 'a', rawValue: Buffer.from('1') }, { key: 'b', value: 'older hosts' }, { key: 'c' }] }, endOfStream: true } },
    attributes: { 'envoy.filters.http.ext_proc': structs, another: { more: 1 } }, metadataContext: { filterMetadata: { 'my.namespace': structs } },
    protocolConfig: { requestBodyMode: 4, responseBodyMode: 2 }, observabilityMode: true,
  }));
  expect([...message.headers ?? []]).toEqual([['a', '1'], ['b', 'older hosts'], ['c', '']]);
  expect(message).toMatchObject({ endOfStream: true, observability: true, modes: { request: 'FULL_DUPLEX_STREAMED', response: 'BUFFERED' } });
  const attributes = new Map<string, Json>();
  readAttributes(message.attributes, attributes);
  expect(Object.fromEntries(attributes)).toEqual({ ...structs, more: 1 });
  expect(message.metadata && readMetadata(message.metadata).get('my.namespace')).toEqual(structs);
});

test('a message that is cut or scrambled is refused or read, and never hangs', () => {
  const whole = said({ request: { case: 'requestHeaders', value: { headers: { headers: [{ key: 'abc', rawValue: Buffer.from('1') }] } } }, attributes: { x: structs } });
  for (let i = 0; i < whole.length; i++) {
    for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
      for (const bytes of [whole.subarray(0, i), Buffer.concat([whole.subarray(0, i), Buffer.from([value]), whole.subarray(i + 1)])]) {
        try {
          const { headers, attributes } = readMessage(bytes);
          [...headers ?? []];
          readAttributes(attributes, new Map());
        } catch (error) { expect((error as Error).message).toMatch(/^(message cut short|varint too long|wire type \d|struct too deep)$/); }
      }
    }
  }
});

test('metadata without an end is refused', () => {
  const deep: Record<string, Json> = {};
  let at = deep;
  for (let i = 0; i < 100; i++) at = (at['in'] = {}) as Record<string, Json>;
  expect(() => changed(inHeaders, { metadata: { deep } })).toThrow('metadata too deep');
  expect(() => changed({ ...inHeaders, headers: undefined }, { addIfAbsent: [['a', 'b']] })).toThrow(InvalidReply);
});
