import { createServer } from 'node:net';

const given = new Set<number>();

/** A TCP port of 127.0.0.1 that nothing listens on, and another one each time. Below 32768: the kernel takes those above for connections that other tests make meanwhile. */
export async function freePort(): Promise<number> {
  const port = 20_000 + Math.floor(Math.random() * 2_900);
  if (given.has(port)) return freePort();
  given.add(port);
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(freePort()));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(port)));
  });
}
