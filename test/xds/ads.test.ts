// The ADS server with the real Envoy: what changes, what does not, and that no request is lost over it.
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AdsServer } from '../../controller-glue/xds/ads.ts';
import { bootstrap } from '../../controller-glue/xds/bootstrap.ts';
import { typeUrls } from '../../controller-glue/xds/snapshot.ts';
import { EnvoyProcess } from '../envoy/envoy-process.ts';
import { Upstream } from '../envoy/upstream.ts';
import { type Edge, edgeSnapshot, tableName } from './edge.ts';
import { freePort } from '../free-port.ts';
import { startLoad, status } from './load.ts';

const NODE = 'default/edge';
const nacks: string[][] = [];
const acks: string[] = [];
const warnings: string[] = [];
const envoys: EnvoyProcess[] = [];
let folder: string;
let ads: AdsServer;
let upstream: Upstream;
let port: number;

beforeEach(async () => {
  for (const seen of [nacks, acks, warnings]) seen.length = 0;
  folder = mkdtempSync(join(tmpdir(), 'gw-ads-'));
  ads = await listen();
  upstream = await Upstream.start();
  port = await freePort();
});

afterEach(async () => {
  await Promise.all(envoys.splice(0).map((envoy) => envoy.stop()));
  await ads.close();
  await upstream.stop();
  rmSync(folder, { recursive: true, force: true });
});

const socket = (): string => join(folder, 'run', 'xds.sock');

async function listen(patience = 20_000): Promise<AdsServer> {
  const log = pino({ level: 'warn' }, { write: (line: string) => { warnings.push((JSON.parse(line) as { msg: string }).msg); } });
  const server = new AdsServer({ log, linger: 300, patience, onNack: (...nack) => { nacks.push([nack[0], nack[1], ...nack[2], nack[3]]); }, onAck: (_node, typeUrl, names) => { acks.push(`${typeUrl.split('.').at(-1)} ${names.join(' ')}`); } });
  await server.listen(socket());
  return server;
}

async function start(nodeId = NODE): Promise<EnvoyProcess> {
  const envoy = await EnvoyProcess.start({ ...bootstrap({ nodeId, pseudonym: 'test', xdsSocketPath: socket() }) });
  envoys.push(envoy);
  return envoy;
}

const edge = (change: Partial<Edge> = {}): Edge => ({ clusters: { one: { port: upstream.port } }, routes: { [port]: [['/', 'one']] }, ...change });
const publish = (change: Partial<Edge> = {}) => ads.publish(NODE, edgeSnapshot(edge(change)));

/** Publishes, starts Envoy, and returns when it serves. */
async function serve(change: Partial<Edge> = {}): Promise<EnvoyProcess> {
  const published = publish(change);
  const envoy = await start();
  let outcome = await published;
  while (outcome === 'unanswered') outcome = await publish(change);      // a slow machine, and the patience of the test is short
  expect(outcome).toBeUndefined();
  await until(async () => (await status(port, '/')) === '200', 'the first 200');
  return envoy;
}

async function until(holds: () => Promise<boolean>, what: string, milliseconds = 5_000): Promise<number> {
  const started = performance.now();
  while (!(await holds())) {
    if (performance.now() - started > milliseconds) throw new Error(`${what}: not within ${milliseconds} ms`);
    await sleep(5);
  }
  return performance.now() - started;
}

describe('with Envoy', () => {
  test('a route change touches no listener', async () => {
    const envoy = await serve();
    expect(await status(port, '/new')).toBe('200');
    expect(await publish({ routes: { [port]: [['/new', 'nowhere'], ['/', 'one']] } })).toBeUndefined();
    await until(async () => (await status(port, '/new')) === '503', 'the new route');
    expect(await envoy.stat('listener_manager.listener_modified')).toBe(0);
    expect(await envoy.stat('listener_manager.total_listeners_draining')).toBe(0);
    expect(acks).toContain(`RouteConfiguration ${tableName(port)}`);
  });

  test('a changed circuit breaker is in force within 2 s, and no request is lost', async () => {
    const envoy = await serve();
    const load = startLoad(port, '/');
    const published = publish({ clusters: { one: { port: upstream.port, maxRequests: 77 } } });
    // Warming for ever looks fine from outside: the old cluster serves on. What counts is the active one.
    await until(async () => (await (await fetch(`${envoy.admin}/clusters`)).text()).includes('one::default_priority::max_requests::77'), 'the new limit', 2_000);
    expect(await published).toBeUndefined();
    expect(await envoy.stat('cluster_manager.warming_clusters')).toBe(0);
    await load.more(100);
    expect((await load.stop()).failures).toEqual({});
  });

  test('new routes to new clusters, and old clusters that go, under load: every request is answered with 200', async () => {
    await serve();
    const load = startLoad(port, '/');
    for (let round = 0; round < 25; round++) {
      const name = `cluster-${round}`;
      expect(await publish({ clusters: { [name]: { port: upstream.port } }, routes: { [port]: [['/', name]] } })).toBeUndefined();
      await load.more(20);
    }
    expect((await load.stop()).failures).toEqual({});
  });

  test('what no Envoy has acknowledged is not called taken, and is as soon as one has', async () => {
    await ads.close();
    ads = await listen(100);
    expect(await publish()).toBe('unanswered');
    expect(warnings).toEqual(['Envoy has not acknowledged the published configuration yet']);
    await start();
    let outcome: unknown = 'unanswered';
    await until(async () => { outcome = await publish(); return outcome !== 'unanswered'; }, 'the acknowledgement');
    expect(outcome).toBeUndefined();
  });

  test('what breaks the stream is not called taken, though Envoy comes back and holds all else', async () => {
    await ads.close();
    ads = await listen(2_000);
    await serve();
    const huge: [string, string][] = Array.from({ length: 70 }, (_, i) => [`/${i}${'x'.repeat(2 ** 20)}`, 'one']);
    expect(await publish({ routes: { [port]: [...huge, ['/', 'one']] } })).toBe('unanswered');
    expect(await status(port, '/')).toBe('200');
    // Envoy takes its time between one try and the next.
    await until(async () => (await publish({ routes: { [port]: [['/new', 'nowhere'], ['/', 'one']] } })) === undefined, 'the acknowledgement of what is small', 40_000);
    expect(await status(port, '/new')).toBe('503');
  }, 60_000);

  test('a refused route table is reported with its name and reason, the last good one serves, and a corrected one goes through', async () => {
    const envoy = await serve({ clusters: { one: { port: upstream.port }, two: { port: upstream.port } }, routes: { [port]: [['/', 'one']] } });
    const other = await freePort();
    // The old route's cluster is no longer published: it must stay all the same.
    const bad: Partial<Edge> = { clusters: { two: { port: upstream.port } }, routes: { [port]: [['//(unclosed//', 'two']], [other]: [['/', 'two']] } };
    const refusal = await publish(bad);
    expect(refusal).toEqual({ typeUrl: typeUrls.route, names: [tableName(port)], version: expect.any(String), message: expect.stringContaining('missing )') });
    expect(nacks).toEqual([[NODE, typeUrls.route, tableName(port), expect.stringContaining('missing )')]]);
    expect(await status(port, '/')).toBe('200');
    await until(async () => (await status(other, '/')) === '200', 'the table beside it');
    const attempts = await envoy.stat(`http.edge.rds.${tableName(port)}.update_rejected`);
    expect(await publish(bad)).toMatchObject({ names: [tableName(port)] });
    expect(await envoy.stat(`http.edge.rds.${tableName(port)}.update_rejected`)).toBe(attempts);
    expect(await publish({ clusters: { two: { port: upstream.port } }, routes: { [port]: [['//.*//', 'two']] } })).toBeUndefined();
    expect(await status(port, '/')).toBe('200');
    await until(async () => !/^one::/m.test(await (await fetch(`${envoy.admin}/clusters`)).text()), 'the removal of the old cluster', 5_000);
  });

  test('a good table beside a refused one comes into force', async () => {
    const other = await freePort();
    await serve({ routes: { [port]: [['/', 'one']], [other]: [['/', 'one']] } });
    expect(await publish({ routes: { [port]: [['//(unclosed//', 'one']], [other]: [['/closed', 'nowhere'], ['/', 'one']] } })).toMatchObject({ names: [tableName(port)] });
    await until(async () => (await status(other, '/closed')) === '503', 'the good table');
    expect(nacks).toHaveLength(1);
  });

  test('an Envoy that restarts while a table is refused comes up with the last good one', async () => {
    const envoy = await serve();
    expect(await publish({ routes: { [port]: [['//(unclosed//', 'one']] } })).toBeDefined();
    await envoy.stop();
    await start();
    await until(async () => (await status(port, '/')) === '200', '200 after the restart');
    expect(nacks).toHaveLength(1);
  });

  test('a killed Envoy gets everything again', async () => {
    const envoy = await serve();
    await envoy.stop();
    const published = publish({ routes: { [port]: [['/', 'one'], ['/x', 'one']] } });
    await start();
    expect(await published).toBeUndefined();
    await until(async () => (await status(port, '/')) === '200', '200 after the restart');
  });

  test('a control plane that restarts with the same content changes nothing, and what comes then is taken', async () => {
    const envoy = await serve();
    const load = startLoad(port, '/');
    const counters = ['listener_manager.listener_added', 'listener_manager.listener_modified', 'cluster_manager.cluster_added', 'cluster_manager.cluster_modified', `http.edge.rds.${tableName(port)}.config_reload`];
    const count = () => Promise.all(counters.map((name) => envoy.stat(name)));
    const before = await count();
    acks.length = 0;
    await ads.close();
    ads = await listen();
    await until(async () => warnings.some((line) => line.includes('nothing is published')), 'Envoy comes back', 30_000);
    expect(await publish()).toBeUndefined();
    expect(acks).toEqual([]);
    expect(await count()).toEqual(before);
    expect(await publish({ clusters: { one: { port: upstream.port, maxRequests: 5 } } })).toBeUndefined();
    expect(await envoy.stat('cluster_manager.cluster_modified')).toBe(1);
    await load.more(20);
    expect((await load.stop()).failures).toEqual({});
  });

  test('a listener that changes and a listener that goes', async () => {
    const other = await freePort();
    const envoy = await serve({ routes: { [port]: [['/', 'one']], [other]: [['/', 'one']] } });
    await until(async () => (await status(other, '/')) === '200', 'the other listener');
    const load = startLoad(port, '/');
    expect(await publish({ statPrefix: 'renamed' })).toBeUndefined();
    await until(async () => (await envoy.stat('listener_manager.total_listeners_warming')) === 0, 'warming ends');
    expect(await envoy.stat('listener_manager.listener_modified')).toBe(1);
    await until(async () => (await status(other, '/')) === 'ECONNREFUSED', 'the other listener ends');
    expect((await load.stop()).failures).toEqual({});
    expect(envoy.log).not.toContain('error');
  });

  test('several Envoys each get their own; one that nobody knows gets nothing and is warned about', async () => {
    const second = await freePort();
    await serve();
    const published = ads.publish('default/second', edgeSnapshot(edge({ routes: { [second]: [['/', 'one']] } })));
    await start('default/second');
    expect(await published).toBeUndefined();
    await until(async () => (await status(second, '/')) === '200', 'the second Envoy');
    const stranger = start('default/stranger');
    await until(async () => warnings.length > 0, 'the warning');
    expect(warnings).toEqual(['an Envoy with this node id asks for its configuration; nothing is published for it']);
    expect(await ads.publish('default/stranger', new Map())).toBeUndefined();
    await stranger;
  });

  test('a later publish overtakes an earlier one', async () => {
    await serve();
    const ends = await Promise.all([
      publish({ clusters: { two: { port: upstream.port } }, routes: { [port]: [['/', 'two']] } }),
      publish({ clusters: { three: { port: upstream.port } }, routes: { [port]: [['/', 'three']] } }),
    ]);
    expect(ends).toEqual([undefined, undefined]);
    expect(await status(port, '/')).toBe('200');
  });
});

describe('a node that is forgotten', () => {
  test('leaves nothing of what was published for it', async () => {
    const waiting = ads.publish('gone', edgeSnapshot(edge({})));
    ads.forget('gone');
    expect(await waiting).toBeUndefined();
    ads.forget('never there');
  });
});

describe('the socket', () => {
  test('is its owner\'s alone, and gone after close', async () => {
    expect(statSync(join(folder, 'run')).mode & 0o777).toBe(0o700);
    expect(statSync(socket()).mode & 0o777).toBe(0o600);
    await ads.close();
    expect(existsSync(socket())).toBe(false);
  });

  test('is refused in a folder that others may enter, and where its path is too long', async () => {
    chmodSync(folder, 0o755);
    const server = new AdsServer({ log: pino({ level: 'silent' }) });
    await expect(server.listen(join(folder, 'x.sock'))).rejects.toThrow('mode 0700');
    await expect(server.listen(join(folder, 'x'.repeat(107)))).rejects.toThrow('at most 107');
  });

  test('a type that is not served is refused at once', () => {
    expect(() => ads.publish(NODE, new Map([['type.googleapis.com/envoy.Unknown', new Map()]]))).toThrow('not served');
  });
});
