// What Envoy itself limits on a listener's connections, by a ClientTrafficPolicy: how long they last, how many requests they carry, how long one may take, how much is buffered.
import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Gatewright } from './gatewright.ts';
import { HeldConnection, fateOf } from './held-connections.ts';
import { documents, endpoint, gateway, gatewayClass, httpRoute } from './manifests.ts';

const MEBIBYTE = 2 ** 20;
const policies: Readonly<Record<string, object>> = {
  requests: { connectionLimit: { maxRequestsPerConnection: 3 } },
  duration: { connectionLimit: { maxConnectionDuration: '400ms' } },
  stream: { connectionLimit: { maxStreamDuration: '300ms' } },
  buffer: { bufferLimit: '4Mi' },
  plain: {},
};
const names = Object.keys(policies);
const policy = (name: string): object => ({
  apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'ClientTrafficPolicy', metadata: { name },
  spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'eg', sectionName: name }], connection: policies[name] },
});

/** Answers /; never answers /hang; answers /flood with more than any buffer holds. */
const upstream: Server = createServer((request, response) => {
  if (request.url === '/hang') return;
  if (request.url !== '/flood') { response.end('ok'); return; }
  const chunk = Buffer.alloc(64 * 1024);
  const flood = (): void => { while (response.write(chunk)); };
  response.on('drain', flood).on('error', () => {});
  flood();
});

let gatewright: Gatewright;
beforeAll(async () => {
  await once(upstream.listen(0, '127.0.0.1'), 'listening');
  gatewright = await Gatewright.start({ 'all.yaml': documents(
    gatewayClass, gateway(names.map((name, i) => ({ name, protocol: 'HTTP', port: 80 + i }))), ...endpoint((upstream.address() as AddressInfo).port),
    httpRoute('all', [{ path: { value: '/' } }], { hostnames: [] }), ...names.map(policy),
  ) }, { echo: false });
});
afterAll(async () => {
  await gatewright?.stop();
  upstream.closeAllConnections();
  upstream.close();
});

const open = (listener: string): Promise<HeldConnection> => HeldConnection.open(gatewright.address(listener));
const saysClose = (answer: string): boolean => /\r\nconnection: close\r\n/i.test(answer);

describe('a ClientTrafficPolicy', () => {
  test('with maxRequestsPerConnection ends a connection with so many answers, none lost', async () => {
    const connection = await open('requests');
    const answers = [await connection.ask(), await connection.ask(), await connection.ask()];
    expect(answers.map((answer) => [fateOf(answer), saysClose(answer)])).toEqual([['served', false], ['served', false], ['served', true]]);
    await connection.closed();
  });

  test('with maxConnectionDuration ends a connection with an answer, not within one', async () => {
    const connection = await open('duration');
    let answer = await connection.ask();
    expect([fateOf(answer), saysClose(answer)]).toEqual(['served', false]);
    while (!saysClose(answer)) {
      answer = await connection.ask();
      expect(fateOf(answer)).toBe('served');
    }
    await connection.closed();
  });

  test('with maxStreamDuration gives a request up that takes longer', async () => {
    const connection = await open('stream');
    connection.write('GET /hang HTTP/1.1\r\nhost: www.example.com\r\n\r\n');
    await gatewright.until(() => connection.received.includes('\r\n\r\n'));
    expect(connection.received).toMatch(/^HTTP\/1\.1 504 /);
    connection.leave();
  });

  test('with nothing ends no connection', async () => {
    const [one, hanging] = [await open('plain'), await open('plain')];
    hanging.write('GET /hang HTTP/1.1\r\nhost: www.example.com\r\n\r\n');
    for (let i = 0; i < 50; i++) expect(saysClose(await one.ask())).toBe(false);
    expect([hanging.open, hanging.received]).toEqual([true, '']);
    one.leave();
    hanging.leave();
  });

  test.each([['plain', 0, MEBIBYTE], ['buffer', 3 * MEBIBYTE, 8 * MEBIBYTE]])('listener %s keeps from %d to %d bytes for a client that does not read', async (listener, least, most) => {
    const connection = await open(listener);
    connection.sleep();
    connection.write('GET /flood HTTP/1.1\r\nhost: www.example.com\r\n\r\n');
    const port = gatewright.address(listener).split(':')[1];
    const buffered = (): Promise<number> => gatewright.stat(`http.http-${port}.downstream_cx_tx_bytes_buffered`);
    // Full once it says the same, more than nothing, ten times in a row: the kernel's buffers fill first.
    let [last, same] = [0, 0];
    await gatewright.until(async () => {
      const now = await buffered();
      same = now === last && now > 0 ? same + 1 : 0;
      last = now;
      return same === 10;
    });
    expect(last).toBeGreaterThan(least);
    expect(last).toBeLessThan(most);
    connection.leave();
  });
});
