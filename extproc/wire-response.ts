// What we say to Envoy: envoy.service.ext_proc.v3.ProcessingResponse, each in its gRPC frame.
//
// What Envoy 1.40 honours, measured: a header's value in `raw_value` alone. `append_action` is ignored; only the older `append` counts, and unset means
// overwrite. So "add if absent" is worked out here, from the headers received.

import type { HeaderList } from './header-list.ts';
import { BackwardWriter } from './protobuf.ts';
import type { BodyMode, Changes, Headers, Metadata, Mode, Respond, RespondStreamed } from './reply.ts';
import { writeStruct } from './struct.ts';
import { type Phase, bodyModes } from './wire-request.ts';

/** A reply that Envoy would refuse, or worse, take for something else. The message holds no value of the reply. */
export class InvalidReply extends Error {
  override readonly name = 'InvalidReply';
}

/** The number of the answer's field. */
const answered: Readonly<Record<Phase, number>> = { request_headers: 1, response_headers: 2, request_body: 3, response_body: 4, request_trailers: 5, response_trailers: 6 };
const SEND = 1, SKIP = 2;
const CONTINUE_AND_REPLACE = 1;

const writer = new BackwardWriter();

/** What is answered. */
export interface Question {
  readonly phase: Phase;
  /** Of that direction; trailers in a trailers phase. */
  readonly headers: HeaderList | undefined;
  /** In a body phase. */
  readonly body: Uint8Array | undefined;
  readonly bodyMode: BodyMode;
  readonly endOfStream: boolean;
}

const nothing: Headers = [];
const noNames: readonly string[] = [];
const always = (): boolean => true;
const never = (): boolean => false;
const unchanged: Changes = {};
const plain = Object.fromEntries(Object.keys(answered).map((phase) => [phase, changed({ phase: phase as Phase, headers: undefined, body: undefined, bodyMode: 'NONE', endOfStream: false }, unchanged)])) as Record<Phase, Buffer>;

export function continued(question: Question): Buffer {
  // Envoy sends on only what it gets back.
  return question.bodyMode === 'FULL_DUPLEX_STREAMED' && question.body !== undefined ? changed(question, unchanged) : plain[question.phase];
}

export function changed(question: Question, changes: Changes, metadata: Metadata | undefined = changes.metadata): Buffer {
  const { phase } = question;
  const inHeaders = phase === 'request_headers' || phase === 'response_headers';
  writer.begin();
  if (changes.mode !== undefined) {
    if (!inHeaders) throw new InvalidReply('a mode in an answer to something other than headers');
    writeMode(changes.mode);
  }
  writeMetadata(metadata);
  const answer = writer.mark;
  if (phase === 'request_trailers' || phase === 'response_trailers') {
    if (changes.body !== undefined) throw new InvalidReply('a body in an answer to trailers');
    writeMutation(1, changes, question.headers);
  } else {
    const common = writer.mark;
    if (changes.clearRouteCache === true) writer.number(5, 1);
    writeBody(question, changes.body);
    writeMutation(2, changes, question.headers);
    if (inHeaders && changes.body !== undefined) writer.number(1, CONTINUE_AND_REPLACE);
    if (writer.mark > common) writer.close(1, common);
  }
  writer.close(answered[phase], answer);
  writer.frameHeader();
  return writer.finish();
}

export function immediate({ status, headers = [], body, grpcStatus, details }: Respond): Buffer {
  checkAnswer(status, details);
  writer.begin();
  const answer = writer.mark;
  writer.text(5, details);
  if (grpcStatus !== undefined) {
    const mark = writer.mark;
    writer.number(1, grpcStatus);
    writer.close(4, mark);
  }
  if (body !== undefined) writeBytes(3, body);
  if (headers.length > 0) {
    const mark = writer.mark;
    writeHeaderOptions(headers, (name, i) => headers.findIndex(([other]) => other.toLowerCase() === name) < i);
    writer.close(2, mark);
  }
  const mark = writer.mark;
  writer.number(1, status);
  writer.close(1, mark);
  writer.close(7, answer);
  writer.frameHeader();
  return writer.finish();
}

/** The beginning of a streamed response; `streamedBody` and, with trailers, `streamedTrailers` follow. */
export function streamedHeaders({ status, headers = [], details }: RespondStreamed): Buffer {
  checkAnswer(status, details);
  return streamed(() => {
    const message = writer.mark;
    const map = writer.mark;
    writeHeaderMap([[':status', String(status)], ...headers]);
    writer.close(1, map);
    writer.close(1, message);
  });
}

export function streamedBody(body: string | Uint8Array, endOfStream: boolean): Buffer {
  return streamed(() => {
    const message = writer.mark;
    if (endOfStream) writer.number(2, 1);
    writeBytes(1, body);
    writer.close(2, message);
  });
}

export function streamedTrailers(trailers: Headers): Buffer {
  return streamed(() => {
    const map = writer.mark;
    writeHeaderMap(trailers);
    writer.close(3, map);
  });
}

/** Not an answer: asks for more time for the one that is due. */
export function moreTime(milliseconds: number): Buffer {
  writer.begin();
  const mark = writer.mark;
  writer.number(2, Math.round(milliseconds % 1000) * 1_000_000);
  writer.number(1, Math.floor(milliseconds / 1000));
  writer.close(10, mark);
  writer.frameHeader();
  return writer.finish();
}

function streamed(write: () => void): Buffer {
  writer.begin();
  const mark = writer.mark;
  write();
  writer.close(11, mark);
  writer.frameHeader();
  return writer.finish();
}

function writeMode({ requestBody = 'NONE', requestTrailers = false, responseHeaders = false, responseBody = 'NONE', responseTrailers = false }: Mode): void {
  const mark = writer.mark;
  writer.number(6, responseTrailers ? SEND : SKIP);
  writer.number(5, requestTrailers ? SEND : SKIP);
  writer.number(4, bodyModes.indexOf(responseBody));
  writer.number(3, bodyModes.indexOf(requestBody));
  writer.number(2, responseHeaders ? SEND : SKIP);
  writer.close(9, mark);
}

function writeMetadata(metadata: Metadata | undefined): void {
  if (metadata === undefined) return;
  const mark = writer.mark;
  writeStruct(writer, metadata);
  writer.close(8, mark);
}

function writeBody({ body: before, bodyMode, endOfStream }: Question, body: string | Uint8Array | undefined): void {
  const duplex = before !== undefined && bodyMode === 'FULL_DUPLEX_STREAMED';
  if (body === undefined && !duplex) return;
  const mutation = writer.mark;
  if (duplex) {
    const mark = writer.mark;
    if (endOfStream) writer.number(2, 1);
    writeBytes(1, body ?? before);
    writer.close(3, mark);
  } else writeBytes(1, body ?? '');
  writer.close(3, mutation);
}

function writeMutation(field: number, { set = nothing, addIfAbsent = nothing, append = nothing, remove = noNames }: Changes, present: HeaderList | undefined): void {
  if (set.length + addIfAbsent.length + append.length + remove.length === 0) return;
  const mark = writer.mark;
  for (let i = remove.length - 1; i >= 0; i--) writer.text(2, nameOf(remove[i] as string));
  writeHeaderOptions(append, always);
  if (addIfAbsent.length > 0) {
    if (present === undefined) throw new InvalidReply('addIfAbsent, and Envoy did not send the headers');
    const removed = new Set(remove.map((name) => name.toLowerCase()));
    writeHeaderOptions(addIfAbsent.filter(([name]) => !present.has(name.toLowerCase()) || removed.has(name.toLowerCase())), never);
  }
  writeHeaderOptions(set, never);
  writer.close(field, mark);
}

function writeHeaderOptions(headers: Headers, append: (name: string, i: number) => boolean): void {
  for (let i = headers.length - 1; i >= 0; i--) {
    const [given, value] = headers[i] as readonly [string, string];
    const name = nameOf(given);
    const option = writer.mark;
    if (append(name, i)) {
      const mark = writer.mark;
      writer.number(1, 1);
      writer.close(2, mark);
    }
    writeHeader(1, name, value);
    writer.close(1, option);
  }
}

function writeHeaderMap(headers: Headers): void {
  for (let i = headers.length - 1; i >= 0; i--) {
    const [name, value] = headers[i] as readonly [string, string];
    writeHeader(1, nameOf(name), value);
  }
}

function writeHeader(field: number, name: string, value: string): void {
  if (/[\0\r\n]/.test(value)) throw new InvalidReply(`a header value with CR, LF or NUL: ${name}`);
  const mark = writer.mark;
  writer.text(3, value);
  writer.text(1, name);
  writer.close(field, mark);
}

function writeBytes(field: number, body: string | Uint8Array): void {
  if (typeof body === 'string') writer.text(field, body);
  else writer.blob(field, body);
}

/** RFC 9110 "token", and Envoy's pseudo-headers. */
function nameOf(name: string): string {
  if (!/^:?[!#$%&'*+.^_`|~0-9a-zA-Z-]+$/.test(name)) throw new InvalidReply('a header name that is none');
  return name.toLowerCase();
}

function checkAnswer(status: number, details: string): void {
  if (!Number.isInteger(status) || status < 200 || status > 599) throw new InvalidReply('a status outside 200 to 599');
  if (!/^[a-z0-9_]+$/.test(details)) throw new InvalidReply('details other than [a-z0-9_]');
}
