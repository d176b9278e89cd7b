// A client of an echo behind a connection limit: is it let in, closed, or kept waiting? And what does a case's story come to?
import { type Socket, connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, ConnectionCase, Fate } from '../cases/connection-limit.ts';
import { clientCertificates } from './connection-limit-bootstrap.ts';
import type { EnvoyProcess } from './envoy-process.ts';

export class EchoClient {
  readonly #socket: Socket;
  readonly #changes: (() => void)[] = [];
  /** Bytes that came back. */
  received = 0;
  closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const change = (): void => { for (const tell of this.#changes.splice(0)) tell(); };
    const end = (): void => { this.closed = true; change(); };
    socket.on('data', ({ length }) => { this.received += length; change(); }).on('end', end).on('error', end).on('close', end);
  }

  /** Connects, does its handshake, and says hello, without waiting for any of it. */
  static open(address: string, { from, serverName, certificate }: Client = {}, tls = false): EchoClient {
    const { hostname, port } = new URL(`tcp://${address}`);
    const to = { host: hostname.replace(/[[\]]/g, ''), port: Number(port), ...(from !== undefined && { localAddress: from }) };
    const pair = certificate === undefined ? undefined : clientCertificates[certificate];
    const socket = tls
      ? connectTls({ ...to, rejectUnauthorized: false, ...(serverName !== undefined && { servername: serverName }), ...(pair && { cert: pair.certificate, key: pair.key }) })
      : connect(to);
    const client = new EchoClient(socket);
    socket.write('hello');
    return client;
  }

  say(text: string): void { this.#socket.write(text); }
  leave(): void { this.#socket.destroy(); }

  /** Waits until something holds, which a change of this client may bring about. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => { this.#changes.push(resolve); });
  }

  /** `refusals`: how often Envoy has refused; it tells who waits from who is yet to be decided. */
  async fate(refusals: () => Promise<number>, before: number): Promise<Fate> {
    const decided = this.until(() => this.received > 0 || this.closed).then(() => true);
    while (!await Promise.race([decided, sleep(20, false)])) {
      if (await refusals() === before) continue;
      await Promise.race([decided, sleep(600)]);                   // refused: closed at once, or waiting
      break;
    }
    return this.received > 0 ? 'served' : this.closed ? 'refused' : 'waiting';
  }
}

/** Plays a case's steps against a listener of its own; answers what became of whom, in their order. `stat` counts its refusals. */
export async function play(envoy: EnvoyProcess, listener: string, { steps, tls = false }: ConnectionCase, stat: string): Promise<string[]> {
  const address = await envoy.address(listener);
  const clients = new Map<string, EchoClient>();
  const refusals = (): Promise<number> => envoy.sum(stat);
  const told: string[] = [];
  for (const step of steps) {
    if ('open' in step) {
      const before = await refusals();
      const client = EchoClient.open(address, step.as, tls);
      clients.set(step.open, client);
      told.push(`${step.open} ${await client.fate(refusals, before)}`);
    } else if ('close' in step) {
      clients.get(step.close)?.leave();
      clients.delete(step.close);
      // It has left when Envoy knows: all others that are not closed remain.
      const remaining = (): number => [...clients.values()].filter(({ closed }) => !closed).length;
      while (await envoy.stat(`listener.${listener}.downstream_cx_active`) !== remaining()) await sleep(10);
    } else {
      const client = clients.get(step.closed);
      await client?.until(() => client.closed);
      told.push(`${step.closed} closed`);
    }
  }
  for (const client of clients.values()) client.leave();
  while (await envoy.stat(`listener.${listener}.downstream_cx_active`) !== 0) await sleep(10);
  return told;
}

/** What a case says becomes of whom. */
export const story = ({ steps }: ConnectionCase): string[] => steps.flatMap((step) => ('open' in step ? [`${step.open} ${step.fate}`] : 'closed' in step ? [`${step.closed} closed`] : []));
