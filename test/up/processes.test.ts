// What lifecycle.test.ts leaves out: signals at any moment, Envoys that die again and again, Gateways that come and go, ports that others hold.
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { goodClaims, policies } from '../cases/jwt.ts';
import { token } from '../cases/tokens.ts';
import { ask } from '../envoy/answer.ts';
import { Gatewright } from './gatewright.ts';
import { Hammer } from './hammer.ts';
import { base, documents, gateway, gatewayClass, httpRoute, securityPolicy, service } from './manifests.ts';

const files = { 'base.yaml': base, 'all.yaml': documents(httpRoute('open'), httpRoute('plain'), securityPolicy('plain', policies.plain)) };
const bearer = { authorization: `Bearer ${token(goodClaims)}` };

/** Temporary files of one run, and by that its processes: they all have it in their environment. */
class Den {
  readonly folder = mkdtempSync(join(tmpdir(), 'gw-den-'));
  get env(): Record<string, string> { return { TMPDIR: this.folder }; }
  processes(program = ''): number[] {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
      const of = (name: string): string => { try { return readFileSync(`/proc/${pid}/${name}`, 'utf8'); } catch { return ''; } };
      return of('environ').split('\0').includes(`TMPDIR=${this.folder}`) && of('cmdline').includes(program);
    });
  }
  envoys(): number[] { return this.processes('bootstrap.json'); }
}

let gatewright: Gatewright | undefined;
let den: Den;
const start = async (files: Readonly<Record<string, string>>): Promise<Gatewright> => {
  den = new Den();
  return gatewright = await Gatewright.start(files, { env: den.env });
};
afterEach(async () => {
  await gatewright?.stop();
  gatewright = undefined;
  rmSync(den.folder, { recursive: true, force: true });
});

describe('a signal', () => {
  // `up` is ready after some 900 ms: before its first line, while it looks for an Envoy, while it starts that, while it configures it, after.
  test.each([60, 200, 350, 500, 600, 700, 800, 900, 1_000, 1_200].flatMap((delay) => [[delay % 200 === 0 ? 'SIGTERM' : 'SIGINT', delay] as const]))('%s after %i ms leaves no process and no file', async (signal, delay) => {
    den = new Den();
    const one = gatewright = Gatewright.spawn(files, { env: den.env });
    await sleep(delay);
    const sent = Date.now();
    process.kill(one.pid, signal);
    await one.ended();
    expect(Date.now() - sent).toBeLessThan(5_000);
    expect(den.processes()).toEqual([]);
    // Before it has a handler the signal alone ends it, and there is nothing to tidy up yet.
    expect(readdirSync(den.folder)).toEqual([]);
  });

  test('of both kinds at once ends it all the same', async () => {
    const one = await start(files);
    expect(den.envoys()).toHaveLength(1);
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGTERM'] as const) process.kill(one.pid, signal);
    expect(await one.ended()).toBe(0);
    expect(den.processes()).toEqual([]);
  });
});

describe('an Envoy that dies', () => {
  test('comes back each time as it was, and lets nobody in meanwhile', async () => {
    const one = await start(files);
    const address = one.address();
    const hammer = new Hammer(() => address, { anonymous: { path: '/plain' }, open: { path: '/open' } });
    for (let i = 0; i < 2; i++) {
      const [before = 0] = den.envoys();
      process.kill(before, 'SIGKILL');
      await one.until(async () => den.envoys()[0] !== before && await ask(address, '/plain', { headers: bearer }).then(({ status }) => status === 200, () => false));
    }
    // A change reaches the new one as it did the old.
    await one.replace('more.yaml', documents(httpRoute('more'), securityPolicy('more', policies.plain)));
    expect((await ask(address, '/more')).status).toBe(401);
    await hammer.stop();
    // 0: refused while there was none. Until its routes are there a listener does not listen.
    expect(hammer.statuses('anonymous').filter((status) => status !== 0)).toEqual([401]);
    expect(hammer.statuses('open').filter((status) => status !== 0)).toEqual([200]);
    expect(den.envoys()).toHaveLength(1);
  });

  test('is found again where the ready file says', async () => {
    const one = await start(files);
    const [before = 0] = den.envoys();
    process.kill(before, 'SIGKILL');
    await one.until(async () => await ask(one.address(), '/open').then(({ status }) => status === 200, () => false));
    await one.until(async () => await fetch(`${one.ready.admin}/ready`).then((answer) => answer.ok, () => false));
    expect(await one.stat('listener_manager.total_listeners_active')).toBe(1);
  });
});

test('the ready file is whole whenever it is read, and its generation only rises', async () => {
  const one = await start(files);
  const seen: number[] = [];
  let reading = true;
  const reader = (async () => {
    while (reading) {
      seen.push(JSON.parse(readFileSync(one.readyFile, 'utf8')).generation);
      await sleep(1);
    }
  })();
  for (let i = 0; i < 8; i++) await one.replace('more.yaml', documents(httpRoute('more', [{ path: { value: `/more-${i}` } }])));
  reading = false;
  await reader;
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect([seen[0], one.generation]).toEqual([1, 9]);
});

describe('Gateways that come and go', () => {
  const listener = (port: number): object[] => [{ name: 'http', protocol: 'HTTP', port }];
  const named = (name: string, port: number): string => documents(gateway(listener(port), name), httpRoute(`to-${name}`, [{ path: { value: '/' } }], { parentRefs: [{ name }] }));

  test('keep to their own Envoy: a new one does not get the folder of another', async () => {
    // As long as this only the beginning of a name can be in a folder's.
    const [a, b, c] = ['a', 'b', 'c'].map((end) => `a-gateway-with-quite-a-long-name-${end}`) as [string, string, string];
    const one = await start({ 'base.yaml': documents(gatewayClass, service()), 'a.yaml': named(a, 80), 'b.yaml': named(b, 81) });
    await one.remove('a.yaml');
    await one.until(() => den.envoys().length === 1);
    await one.replace('c.yaml', named(c, 82));
    await one.until(() => den.envoys().length === 2);
    expect(new Set(one.ready.gateways.map(({ admin }) => admin)).size).toBe(2);
    for (const pid of den.envoys()) process.kill(pid, 'SIGKILL');
    for (const name of [b, c]) await one.until(async () => await ask(one.address('http', name), '/').then(({ status }) => status === 200, () => false));
    expect(await ask(`127.0.0.1:${one.portOffset + 80}`, '/').catch(() => 'refused')).toBe('refused');
  });

  test('may take over the port of one that goes in the same change', async () => {
    const one = await start({ 'base.yaml': documents(gatewayClass, service()), 'gateway.yaml': named('old', 80) });
    await one.replace('gateway.yaml', named('new', 80));
    expect(one.ready.gateways.map(({ name }) => name)).toEqual(['new']);
    expect((await ask(one.address(), '/')).status).toBe(200);
    expect(den.envoys()).toHaveLength(1);
  });

  test('that want a port which something else holds are told, and what was there is served', async () => {
    const one = await start(files);
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as AddressInfo;
    await one.replace('late.yaml', documents(gateway([{ name: 'http', protocol: 'HTTP', port }], 'late'), httpRoute('to-late', undefined, { parentRefs: [{ name: 'late' }] }), httpRoute('beside')));
    await one.until(async () => (await one.page('problems')).includes(String(port)));
    expect(await Promise.all(['/open', '/plain', '/beside'].map(async (path) => (await ask(one.address(), path)).status))).toEqual([200, 401, 200]);
    expect(JSON.stringify(await one.status('Gateway', 'late'))).toContain('"reason":"PortUnavailable"');
    // Free again, it is had with the next change.
    holder.close();
    await once(holder, 'close');
    await one.replace('more.yaml', documents(httpRoute('more')));
    await one.until(() => one.ready.gateways.some(({ name }) => name === 'late'));
    expect((await ask(one.address('http', 'late'), '/to-late')).status).toBe(200);
  });
});
