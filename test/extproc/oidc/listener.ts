// Something that listens where a provider would: a test reads what it hears and says what it answers, byte by byte.
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';

export class Listener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections so far. */
  connections = 0;

  private constructor(server: Server) { this.#server = server; }

  /** `heard`: with all that one connection has said so far, whenever a request with its body is whole. */
  static async start(heard: (text: string, socket: Socket) => void, port = 0): Promise<Listener> {
    const server = createServer();
    const listener = new Listener(server);
    server.on('connection', (socket) => {
      listener.connections++;
      listener.#sockets.add(socket.once('close', () => listener.#sockets.delete(socket)));
      let text = '';
      socket.on('error', () => { /* they left */ }).on('data', (chunk) => {
        text += chunk.toString('latin1');
        const [head = '', body] = text.split('\r\n\r\n');
        const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
        if (body !== undefined && body.length >= length) heard(text, socket);
      });
    });
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
    return listener;
  }

  get port(): number { return (this.#server.address() as AddressInfo).port; }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
