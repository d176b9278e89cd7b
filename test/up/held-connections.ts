// Connections as clients hold them: opened from an address, asked on, kept, left. HTTP/1.1, over TCP or TLS.
import { type Socket, connect } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

export interface From { readonly localAddress?: string; readonly tls?: ConnectionOptions }

export class HeldConnection {
  readonly #socket: Socket;
  #received = '';
  #open = true;
  /** Why it broke off, as Node says it; undefined when it was closed in order. */
  fault: string | undefined;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1').on('data', (text: string) => { this.#received += text; this.#wake(); });
    // An end alone is enough: who is turned away may be left half open.
    const ended = (): void => { this.#open = false; this.#wake(); };
    socket.on('error', (error: NodeJS.ErrnoException) => { this.fault = error.code ?? error.message; }).on('end', ended).on('close', ended);
  }

  /** Resolves once it is connected, or broken off: a limit closes what the kernel has connected already. */
  static async open(address: string, { localAddress = '127.0.0.1', tls }: From = {}): Promise<HeldConnection> {
    const [host = '', port] = address.split(':');
    const to = { host, port: Number(port), localAddress };
    const socket = tls === undefined ? connect(to) : connectTls({ ...to, ...tls });
    const connection = new HeldConnection(socket);
    await new Promise<void>((resolve) => { socket.once(tls === undefined ? 'connect' : 'secureConnect', () => resolve()).once('error', () => resolve()).once('close', () => resolve()); });
    return connection;
  }

  get open(): boolean { return this.#open; }
  /** All that came, so far. */
  get received(): string { return this.#received; }

  /** GET /: the head of the answer; 'closed' when the connection is closed without a byte of one. */
  async ask(host = 'www.example.com'): Promise<string> {
    const before = this.#received.length;
    this.#socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
    await this.#until(() => !this.#open || whole(this.#received.slice(before)));
    const answer = this.#received.slice(before);
    return answer === '' ? 'closed' : answer.slice(0, answer.indexOf('\r\n\r\n') + 2);
  }

  /** Resolves when the other side has closed it. */
  async closed(): Promise<void> { await this.#until(() => !this.#open); }

  leave(): void { this.#socket.destroy(); }

  /** Stops reading, as a client does that has gone to sleep. */
  sleep(): void { this.#socket.pause(); }
  write(text: string): void { this.#socket.write(text); }

  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => { if (condition()) resolve(); };
      this.#wake();
    });
  }
}

/** With its content-length, or chunked to the end. */
function whole(answer: string): boolean {
  const head = answer.indexOf('\r\n\r\n');
  if (head < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(answer.slice(0, head + 2))?.[1];
  return length === undefined ? answer.endsWith('\r\n0\r\n\r\n') : answer.length >= head + 4 + Number(length);
}

export type Fate = 'served' | 'closed' | `status ${string}`;

/** Opens so many, one after the other, and asks on each at once; those that are served stay. */
export async function hold(address: string, count: number, from: From = {}): Promise<{ readonly held: HeldConnection[]; readonly fates: Fate[] }> {
  const held: HeldConnection[] = [];
  const fates: Fate[] = [];
  for (let i = 0; i < count; i++) {
    const connection = await HeldConnection.open(address, from);
    const fate = fateOf(await connection.ask(typeof from.tls?.servername === 'string' ? from.tls.servername : undefined));
    fates.push(fate);
    if (fate === 'served') held.push(connection);
    else connection.leave();
  }
  return { held, fates };
}

export function fateOf(answer: string): Fate {
  if (answer === 'closed') return 'closed';
  const status = answer.split(' ')[1] ?? '';
  return status === '200' ? 'served' : `status ${status}`;
}

/** "5 served, 3 closed". */
export function count(fates: readonly Fate[]): string {
  return [...Map.groupBy(fates, (fate) => fate)].sort(([a], [b]) => (a < b ? 1 : -1)).map(([fate, all]) => `${all.length} ${fate}`).join(', ');
}
