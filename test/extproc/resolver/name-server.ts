// A DNS server on 127.0.0.1, UDP and TCP, that answers as a test tells it to: right, slow, wrong, or not at all.
// Only what the tests need of RFC 1035, written by hand.
import { type RemoteInfo, type Socket, createSocket } from 'node:dgram';
import { type AddressInfo, createServer } from 'node:net';
import { once } from 'node:events';
import ipaddr from 'ipaddr.js';

export type Type = 'A' | 'AAAA' | 'CNAME' | 'TXT';
const TYPES: Readonly<Record<Type, number>> = { A: 1, CNAME: 5, TXT: 16, AAAA: 28 };

/** `name` absent: the name that was asked for. */
export interface Row { readonly name?: string; readonly type: Type; readonly ttl: number; readonly value: string }

export interface Reply {
  readonly records?: readonly Row[];
  readonly code?: number;              // 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED
  readonly afterMs?: number;
  readonly silent?: boolean;           // no answer at all
  readonly truncate?: boolean;         // over UDP: no records, and the TC bit
  readonly wrongId?: boolean;
  readonly garbage?: boolean;
}

export interface Question { readonly name: string; readonly type: Type | undefined; readonly overTcp: boolean }
export type Zone = (question: Question) => Reply;

function encodeName(name: string): Buffer {
  return Buffer.concat([...name.split('.').filter((label) => label !== '').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')])), Buffer.from([0])]);
}

function encodeValue({ type, value }: Row): Buffer {
  switch (type) {
    case 'A': case 'AAAA': return Buffer.from(ipaddr.parse(value).toByteArray());
    case 'CNAME': return encodeName(value);
    case 'TXT': return Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')]);
  }
}

function encodeRecord(record: Row): Buffer {
  const value = encodeValue(record);
  const head = Buffer.alloc(10);
  head.writeUInt16BE(TYPES[record.type], 0);
  head.writeUInt16BE(1, 2);
  head.writeUInt32BE(record.ttl, 4);
  head.writeUInt16BE(value.length, 8);
  return Buffer.concat([record.name === undefined ? Buffer.from([0xc0, 12]) : encodeName(record.name), head, value]);
}

/** The name and type asked for, and where the question ends. */
function readQuestion(message: Buffer): { name: string; type: Type | undefined; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const number = message.readUInt16BE(at + 1);
  const type = (Object.keys(TYPES) as Type[]).find((each) => TYPES[each] === number);
  return { name: labels.join('.').toLowerCase(), type, end: at + 5 };
}

function encodeReply(query: Buffer, end: number, reply: Reply, overTcp: boolean): Buffer {
  if (reply.garbage === true) return Buffer.from('not a DNS message at all, whatever you may think of it');
  const truncated = reply.truncate === true && !overTcp;
  const records = truncated ? [] : reply.records ?? [];
  const head = Buffer.alloc(12);
  head.writeUInt16BE(reply.wrongId === true ? query.readUInt16BE(0) ^ 0x5555 : query.readUInt16BE(0), 0);
  head.writeUInt16BE(0x8180 | (truncated ? 0x0200 : 0) | (reply.code ?? 0), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  return Buffer.concat([head, query.subarray(12, end), ...records.map(encodeRecord)]);
}

/** Serves one zone; `zone` may be replaced at any time. Every question is kept in `asked`. */
export class NameServer implements AsyncDisposable {
  readonly asked: Question[] = [];
  zone: Zone = () => ({ code: 3 });
  readonly #udp: Socket = createSocket('udp4');
  readonly #tcp = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (data) => {
      const query = data.subarray(2);
      this.#answer(query, true, (reply) => {
        const size = Buffer.alloc(2);
        size.writeUInt16BE(reply.length);
        socket.end(Buffer.concat([size, reply]));
      });
    });
  });

  static async start(): Promise<NameServer> {
    const server = new NameServer();
    server.#udp.on('message', (query: Buffer, from: RemoteInfo) => server.#answer(query, false, (reply) => server.#udp.send(reply, from.port, from.address, () => undefined)));
    // TCP first: the port it is given must then be free for UDP, which it practically always is.
    server.#tcp.listen(0, '127.0.0.1');
    await once(server.#tcp, 'listening');
    server.#udp.bind(server.port, '127.0.0.1');
    await once(server.#udp, 'listening');
    return server;
  }

  get port(): number { return (this.#tcp.address() as AddressInfo).port; }
  get address(): string { return `127.0.0.1:${this.port}`; }

  #answer(query: Buffer, overTcp: boolean, send: (reply: Buffer) => void): void {
    const { name, type, end } = readQuestion(query);
    const question: Question = { name, type, overTcp };
    this.asked.push(question);
    const reply = this.zone(question);
    if (reply.silent === true) return;
    const encoded = encodeReply(query, end, reply, overTcp);
    if (reply.afterMs === undefined) send(encoded);
    else setTimeout(() => send(encoded), reply.afterMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#udp.close();
    this.#tcp.close();
    await once(this.#tcp, 'close');
  }
}
