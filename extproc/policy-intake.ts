// Policies by gRPC, where whoever knows them is in another pod: on the listener of the service itself, and only from who shows a controller's certificate.
//
//   package gatewright.v1;
//   service Policies {
//     rpc Put(PutRequest) returns (google.protobuf.Empty);        // answered once every process of the service has it
//     rpc Retain(RetainRequest) returns (google.protobuf.Empty);  // drops all others of that processor
//   }
//   message PutRequest { string processor = 1; string id = 2; bytes document = 3; }
//   message RetainRequest { string processor = 1; repeated string ids = 2; }
//
// An id stands for its content, so to put it again changes nothing. A document may hold secrets: no answer and no log says a word of it.

import type { ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { Secret } from '../policy/secret.ts';
import { Call, status } from './grpc.ts';
import { Reader } from './protobuf.ts';

export interface PolicyIntake {
  /** DNS names. Who shows a certificate of ours for one of them is a controller. */
  readonly controllers: readonly string[];
  /** Resolves when every process has it, with what is wrong with it if it is refused; rejects when there is no telling. */
  readonly put: (processor: string, id: string, document: Secret) => Promise<string | undefined>;
  readonly retain: (processor: string, ids: readonly string[]) => Promise<unknown>;
}

const SERVICE = '/gatewright.v1.Policies/';
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
/** A message without fields. */
const EMPTY = Buffer.from([0, 0, 0, 0, 0]);

export function isForIntake(path: unknown): boolean { return path === `${SERVICE}Put` || path === `${SERVICE}Retain`; }

export function accept(stream: ServerHttp2Stream, path: string, intake: PolicyIntake): void {
  const call = new Call(stream);
  if (!isController(stream.session, intake.controllers)) { call.fail(status.permissionDenied, 'for controllers alone'); return; }
  let asked = false;
  call.read(MAX_REQUEST_BYTES, (bytes) => {
    if (asked) return;
    asked = true;
    void carryOut(path, bytes, intake).then((refusal) => {
      if (refusal !== undefined) { call.fail(status.invalidArgument, refusal); return; }
      call.send(EMPTY);
      call.end('ok');
    }, () => call.fail(status.unavailable, 'not every process could be told; try again'));
  });
}

/** What is wrong with the request. */
async function carryOut(path: string, bytes: Buffer, { put, retain }: PolicyIntake): Promise<string | undefined> {
  let request: Request;
  try { request = read(bytes); } catch { return 'not a request of this service'; }
  const { processor, ids, document } = request;
  if (path === `${SERVICE}Retain`) { await retain(processor, ids); return undefined; }
  const [id = ''] = ids;
  return id === '' || ids.length > 1 ? 'one id is needed' : put(processor, id, document);
}

interface Request { readonly processor: string; readonly ids: readonly string[]; readonly document: Secret }

/** Of either kind: their fields have the same numbers. Throws on what is neither. */
function read(bytes: Buffer): Request {
  const reader = new Reader(bytes);
  let processor = '', document = '';
  const ids: string[] = [];
  while (!reader.done) {
    const tag = reader.varint();
    switch (tag) {
      case 10: processor = reader.text(); break;
      case 18: ids.push(reader.text()); break;
      case 26: document = reader.text(); break;
      default: reader.passOver(tag);
    }
  }
  return { processor, ids, document: new Secret(document) };
}

/** By a DNS name of the certificate, letter by letter. What is only its subject's, or a wildcard, is nobody's. TLS has seen to whose certificate it is. */
function isController(session: ServerHttp2Stream['session'], controllers: readonly string[]): boolean {
  const socket = session?.socket as Partial<TLSSocket> | undefined;
  if (session?.encrypted !== true || socket?.authorized !== true) return false;
  const certificate = socket.getPeerX509Certificate?.();
  return certificate !== undefined && controllers.some((name) => certificate.checkHost(name, { subject: 'never', wildcards: false }) !== undefined);
}
