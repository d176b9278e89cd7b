// 100,000 connections through a real Envoy with connection-limit.wasm, some let in, some refused at once, some kept waiting: memory stays flat, counts end at 0.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Limit } from '../cases/connection-limit.ts';
import { echo, limitFilter, listener } from '../envoy/connection-limit-bootstrap.ts';
import { EchoClient } from '../envoy/echo-client.ts';
import { EnvoyProcess } from '../envoy/envoy-process.ts';
import { scaled } from '../scale.ts';

const CLIENTS = 64;
/** KiB: forty bytes a connection. It was half a MiB when this was written. */
const MOST_GROWTH = 4 * 1024;
const limits: readonly Limit[] = [
  { name: 'value', value: 40 },
  { name: 'source', per: 'SourceIP', value: 3, closeDelay: '50ms', rate: { connections: 100_000, per: '1s' } },
  { name: 'rate', per: 'SourceIP', rate: { connections: 1, per: '1ms', burst: 1_000 } },
];

let envoy: EnvoyProcess;
beforeAll(async () => { envoy = await EnvoyProcess.start({ static_resources: { listeners: [listener('soak', [limitFilter('soak', limits), echo])] } }, { concurrency: 4 }); }, 60_000);
afterAll(async () => { await envoy?.stop(); });

/** KiB that Envoy holds. */
const resident = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${envoy.pid}/status`, 'utf8'))?.[1]);

/** So many connections, each from another address than the one before; how many were let in. */
async function open(address: string, count: number): Promise<number> {
  let next = 0, served = 0;
  await Promise.all(Array.from({ length: CLIENTS }, async () => {
    for (let i = next++; i < count; i = next++) {
      const client = EchoClient.open(address, { from: `127.${1 + (i >> 16 & 63)}.${i >> 8 & 255}.${1 + i % 16}` });
      await client.until(() => client.received > 0 || client.closed);
      if (client.received > 0) served++;
      client.leave();
    }
  }));
  return served;
}

test('100,000 connections leave nothing behind', { timeout: 1_800_000 }, async () => {
  const address = await envoy.address('soak');
  const total = scaled(100_000);
  await open(address, total / 5 + 2_000);                               // until allocator and collectors have found their size
  const before = resident();
  const served = await open(address, total);
  expect(served).toBeGreaterThan(total / 4);
  while (await envoy.stat('listener.soak.downstream_cx_active') > 0) await sleep(50);
  expect(await envoy.sum('^wasmcustom.gatewright_connections_refused.limit.')).toBeGreaterThan(0);
  expect(await envoy.sum('^wasmcustom.gatewright_connections_active.limit.')).toBe(0);
  expect(resident() - before).toBeLessThan(MOST_GROWTH);
  expect(await envoy.stat('wasm.gatewright.connection_limit.vm_reload_success')).toBe(0);
});
