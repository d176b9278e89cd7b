// What `up` starts it ends; what dies it starts again, with the same policies; what it shows is read-only.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { policies } from '../cases/jwt.ts';
import { ask } from '../envoy/answer.ts';
import { Gatewright } from './gatewright.ts';
import { base, documents, gateway, gatewayClass, httpRoute, securityPolicy, service } from './manifests.ts';

const files = { 'base.yaml': base, 'plain.yaml': documents(httpRoute('plain'), securityPolicy('plain', policies.plain)) };
let gatewright: Gatewright | undefined;
afterEach(async () => { await gatewright?.stop(); });

/** Envoys that this `up` started: their pids and bootstrap files. */
function envoys(of: Gatewright): { pid: number; bootstrap: string }[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const parent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return parent === of.pid ? [{ pid: Number(pid), bootstrap: args[args.indexOf('-c') + 1] ?? '' }] : [];
    } catch { return []; }
  });
}
const alive = (pid: number): boolean => existsSync(`/proc/${pid}`);

test.each(['SIGINT', 'SIGTERM'] as const)('%s ends every process and leaves no file', async (signal) => {
  const one = gatewright = await Gatewright.start(files);
  const [envoy] = envoys(one);
  expect(envoy).toBeDefined();
  process.kill(one.pid, signal);
  expect(await one.ended()).toBe(0);
  expect(alive(envoy?.pid ?? 0)).toBe(false);
  expect(existsSync(dirname(dirname(envoy?.bootstrap ?? '')))).toBe(false);
});

test('the folder of sockets and bootstraps is the owner\'s alone', async () => {
  const one = gatewright = await Gatewright.start(files);
  const folder = dirname(dirname(envoys(one)[0]?.bootstrap ?? ''));
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(readdirSync(folder)).toContain('xds.sock');
});

test('an Envoy that is killed comes back with its policies, and is never open meanwhile', async () => {
  const one = gatewright = await Gatewright.start(files);
  const [before] = envoys(one);
  process.kill(before?.pid ?? 0, 'SIGKILL');
  const answers: (number | 'refused')[] = [];
  await one.until(async () => {
    const status = await ask(one.address(), '/plain').then((answer) => answer.status, () => 'refused' as const);
    answers.push(status);
    return status === 401 && envoys(one)[0]?.pid !== before?.pid;
  });
  expect(answers.filter((status) => status !== 'refused' && status !== 401)).toEqual([]);
});

test('the ready file counts every change', async () => {
  const one = gatewright = await Gatewright.start(files);
  expect(one.ready).toMatchObject({ generation: 1, gateways: [{ namespace: 'default', name: 'eg', listeners: [{ name: 'http', port: one.portOffset + 80, url: `http://127.0.0.1:${one.portOffset + 80}` }] }] });
  await one.replace('open.yaml', documents(httpRoute('open')));
  expect(one.generation).toBe(2);
  expect((await ask(one.address(), '/open')).status).toBe(200);
});

test('the admin interface reads and does nothing else', async () => {
  const one = gatewright = await Gatewright.start(files);
  expect((await fetch(`${one.ready.admin}/stats`)).status).toBe(200);
  for (const path of ['/quitquitquit', '/drain_listeners', '/healthcheck/fail', '/logging?level=trace', '/runtime_modify?a=b', '/reset_counters']) {
    expect([path, (await fetch(one.ready.admin + path, { method: 'POST' })).status]).toEqual([path, 403]);
  }
  expect(alive(envoys(one)[0]?.pid ?? 0)).toBe(true);
});

describe('Gateways', () => {
  const two = { 'a.yaml': documents(gatewayClass, service(), gateway(undefined, 'eg'), httpRoute('one')), 'b.yaml': documents(gateway([{ name: 'http', protocol: 'HTTP', port: 81 }], 'other'), httpRoute('two', undefined, { parentRefs: [{ name: 'other' }] })) };

  test('have an Envoy each, which ends with its Gateway', async () => {
    const one = gatewright = await Gatewright.start(two);
    expect(envoys(one)).toHaveLength(2);
    expect((await ask(one.address('http', 'eg'), '/one')).status).toBe(200);
    expect((await ask(one.address('http', 'eg'), '/two')).status).toBe(404);
    expect((await ask(one.address('http', 'other'), '/two')).status).toBe(200);
    await one.remove('b.yaml');
    await one.until(() => envoys(one).length === 1);
    expect((await ask(one.address('http', 'eg'), '/one')).status).toBe(200);
  });

  test('that want one port: the first by name has it, the other is told', async () => {
    const one = gatewright = await Gatewright.start({ ...two, 'b.yaml': two['b.yaml'].replace('"port": 81', '"port": 80') });
    expect(one.ready.gateways.map(({ name }) => name)).toEqual(['eg']);
    const status = await one.status('Gateway', 'other') as unknown as { listeners: { conditions: { type: string; status: string; reason: string }[] }[] };
    expect(status.listeners[0]?.conditions.find(({ type }) => type === 'Accepted')).toMatchObject({ status: 'False', reason: 'PortUnavailable' });
    expect((await ask(one.address(), '/one')).status).toBe(200);
  });
});
