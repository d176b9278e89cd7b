// The outage of envoyproxy/gateway#9519: after a control plane restarts, a listener that changes goes active without its certificate.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import pino from 'pino';
import { expect, test } from 'vitest';
import { AdsServer } from '../../controller-glue/xds/ads.ts';
import { bootstrap } from '../../controller-glue/xds/bootstrap.ts';
import { makeCertificate } from '../../examples/keys.ts';
import { EnvoyProcess } from '../envoy/envoy-process.ts';
import { type Edge, edgeSnapshot } from './edge.ts';
import { freePort } from '../free-port.ts';

test('a listener that changes after the control plane restarted has its certificate, and a renewed one is taken', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gw-ads-tls-'));
  const certificate = (name: string) => {
    makeCertificate(join(folder, name));
    return { name: 'certificate', chain: readFileSync(join(folder, name, 'tls.crt'), 'utf8'), key: readFileSync(join(folder, name, 'tls.key'), 'utf8') };
  };
  const [first, renewed] = [certificate('first'), certificate('renewed')];
  const port = await freePort();
  const edge = (change: Partial<Edge>) => edgeSnapshot({ clusters: {}, routes: { [port]: [['/', 'nowhere']] }, certificate: first, ...change });
  const socketPath = join(folder, 'xds.sock');
  const listen = async () => {
    const server = new AdsServer({ log: pino({ level: 'silent' }) });
    await server.listen(socketPath);
    return server;
  };

  let ads = await listen();
  const published = ads.publish('tls', edge({}));
  const envoy = await EnvoyProcess.start({ ...bootstrap({ nodeId: 'tls', pseudonym: 'tls', xdsSocketPath: socketPath }) });
  try {
    expect(await published).toBeUndefined();
    const before = await served(port);
    expect(before).toBeDefined();
    await ads.close();
    ads = await listen();
    expect(await ads.publish('tls', edge({ statPrefix: 'changed' }))).toBeUndefined();
    for (let tries = 0; tries < 200 && (await envoy.stat('listener_manager.listener_modified')) + (await envoy.stat('listener_manager.total_listeners_warming')) !== 1; tries++) await sleep(10);
    expect(await envoy.stat('listener_manager.listener_modified')).toBe(1);
    expect(await served(port)).toBe(before);
    expect(await ads.publish('tls', edge({ statPrefix: 'changed', certificate: renewed }))).toBeUndefined();
    for (let tries = 0; tries < 200 && (await served(port)) === before; tries++) await sleep(10);
    expect(await served(port)).not.toBe(before);
    expect(await envoy.stat('listener_manager.listener_modified')).toBe(1);
  } finally {
    await envoy.stop();
    await ads.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Fingerprint of the certificate that is served; undefined when there is none. */
function served(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    }).on('error', () => resolve(undefined));
  });
}
