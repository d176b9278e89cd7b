// Counts in a real Envoy with four workers: exact under a storm, over listeners, through an update of the configuration and the death of a VM.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Limit } from '../cases/connection-limit.ts';
import { compileFilter } from '../sdk/compile.ts';
import { type Json, echo, limitFilter, listener, nativeFilter, networkWasm, pluginConfig, type } from './connection-limit-bootstrap.ts';
import { EchoClient } from './echo-client.ts';
import { EnvoyProcess } from './envoy-process.ts';

const active = (envoy: EnvoyProcess, limit: string): Promise<number> => envoy.stat(`wasmcustom.gatewright_connections_active.limit.${limit}`);

/** True: let in. */
async function enters(client: EchoClient): Promise<boolean> {
  await client.until(() => client.received > 0 || client.closed);
  return client.received > 0;
}
/** So many clients, one after the other; those that were let in. */
async function enter(address: string, count: number, from = '127.0.0.1'): Promise<EchoClient[]> {
  const inside: EchoClient[] = [];
  for (let i = 0; i < count; i++) {
    const client = EchoClient.open(address, { from });
    if (await enters(client)) inside.push(client);
  }
  return inside;
}
/** True: what it says comes back; false: it is closed. */
async function serves(client: EchoClient): Promise<boolean> {
  const { received } = client;
  client.say('again');
  await client.until(() => client.received > received || client.closed);
  return client.received > received;
}
/** Waits until Envoy says so; the test's own timeout guards it. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!await holds()) await sleep(50);
}

describe('four workers', () => {
  const limits: readonly Limit[] = [{ name: 'gateway', per: 'Gateway', value: 2 }, { name: 'listener', value: 2 }];
  let envoy: EnvoyProcess;
  beforeAll(async () => {
    const listeners = [
      listener('ours', [limitFilter('ours', [{ name: 'storm', value: 10 }]), echo]), listener('native', [nativeFilter('native', { name: 'storm', value: 10 }), echo]),
      listener('here', [limitFilter('here', limits), echo]), listener('there', [limitFilter('there', limits), echo]),
      listener('source', [limitFilter('source', [{ name: 'source', per: 'SourceIP', value: 1 }]), echo]), listener('source-too', [limitFilter('source-too', [{ name: 'source', per: 'SourceIP', value: 1 }]), echo]),
      listener('each', [limitFilter('each', [{ name: 'each', value: 1 }]), echo]), listener('each-too', [limitFilter('each-too', [{ name: 'each', value: 1 }]), echo]),
    ];
    envoy = await EnvoyProcess.start({ static_resources: { listeners } }, { concurrency: 4 });
  }, 60_000);
  afterAll(async () => { await envoy?.stop(); });

  // A client counts itself only between the echo and its leaving, both inside what Envoy counts: more than ten at once were really let in.
  test.each(['ours', 'native'])('never have more inside than the limit when sixty-four clients storm them (%s)', { timeout: 120_000 }, async (name) => {
    const address = await envoy.address(name);
    let inside = 0, most = 0, served = 0, refused = 0;
    const { promise: wereFull, resolve: full } = Promise.withResolvers<void>();
    await Promise.all(Array.from({ length: 64 }, async (_, i) => {
      for (let round = 0; round < 40; round++) {
        const client = EchoClient.open(address);
        if (await enters(client)) {
          served++;
          most = Math.max(most, ++inside);
          if (inside === 10) full();
          await wereFull;                                // nobody leaves before every place was taken once
          await sleep((i * 7 + round * 3) % 11);
          inside--;
        } else refused++;
        client.leave();
      }
    }));
    expect(most).toBe(10);
    expect(served + refused).toBe(64 * 40);
    expect(refused).toBeGreaterThan(0);
    await until(async () => await envoy.stat(`listener.${name}.downstream_cx_active`) === 0);
    if (name === 'native') return;
    await until(async () => await active(envoy, 'storm') === 0);
    expect(await envoy.stat('wasmcustom.gatewright_connections_refused.limit.storm.reason.value')).toBe(refused);
    expect(await enter(address, 12)).toHaveLength(10);
  });

  test('count a Gateway over its listeners, a Listener by itself', async () => {
    const inside = [...await enter(await envoy.address('here'), 1), ...await enter(await envoy.address('there'), 3)];
    expect(inside).toHaveLength(2);
    expect([await active(envoy, 'gateway'), await active(envoy, 'listener')]).toEqual([2, 2]);
    const apart = [await enter(await envoy.address('each'), 2), await enter(await envoy.address('each-too'), 2)];
    expect(apart.map(({ length }) => length)).toEqual([1, 1]);
    for (const client of [...inside, ...apart.flat()]) client.leave();
    await until(async () => await active(envoy, 'gateway') === 0 && await active(envoy, 'each') === 0);
  });

  test('count a source over all listeners', async () => {
    const [one, other] = [await envoy.address('source'), await envoy.address('source-too')];
    const found = [await enter(one, 1, '127.0.0.5'), await enter(other, 2, '127.0.0.5'), await enter(other, 2, '127.0.0.6')];
    expect(found.map(({ length }) => length)).toEqual([1, 0, 1]);
    for (const client of found.flat()) client.leave();
  });
});

// Closes that one callback asks for are carried out one within the other: some two thousand of them are too many for the stack.
test('thousands that wait are all closed when they come due in one moment', { timeout: 60_000 }, async () => {
  const envoy = await EnvoyProcess.start({ static_resources: { listeners: [listener('waiting', [limitFilter('waiting', [{ name: 'waiting', value: 1, closeDelay: '1s' }]), echo])] } });
  try {
    const address = await envoy.address('waiting');
    const clients = Array.from({ length: 2_500 }, () => EchoClient.open(address));
    await until(async () => await envoy.stat('wasmcustom.gatewright_connections_refused.limit.waiting.reason.value') === 2_499);
    process.kill(envoy.pid, 'SIGSTOP');
    await sleep(1_500);
    process.kill(envoy.pid, 'SIGCONT');
    await until(async () => clients.filter(({ closed }) => closed).length === 2_499);
    expect(clients.filter(({ received }) => received > 0)).toHaveLength(1);
    for (const client of clients) client.leave();
    await until(async () => await active(envoy, 'waiting') === 0);
    expect(envoy.log).not.toMatch(/call stack/);
  } finally {
    await envoy.stop();
  }
});

describe('an update of the configuration', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gw-limits-'));
  const NAME = 'gatewright.connection_limit/chain';
  let envoy: EnvoyProcess, address: string;

  function write(config: Json): void {
    writeFileSync(join(folder, 'new'), JSON.stringify({ resources: [{ ...type('envoy.config.core.v3.TypedExtensionConfig'), name: NAME, typed_config: config }] }));
    renameSync(join(folder, 'new'), join(folder, 'limit.json'));
  }
  /** The controller's resource, and when Envoy has it. */
  async function update(limits: readonly Limit[] | undefined): Promise<void> {
    const reloads = `extension_config_discovery.network_filter.${NAME}.config_reload`;
    const before = await envoy.stat(reloads);
    write(limits === undefined ? type('envoy.extensions.filters.network.set_filter_state.v3.Config') : networkWasm(pluginConfig({ connections: { listener: 'chain', limits } })));
    await until(async () => await envoy.stat(reloads) > before);
  }

  beforeAll(async () => {
    write(networkWasm(pluginConfig({ connections: { listener: 'chain', limits: [{ name: 'one', value: 2 }] } })));
    const discovered = {
      name: NAME,
      config_discovery: {
        config_source: { path_config_source: { path: join(folder, 'limit.json') }, resource_api_version: 'V3' },
        type_urls: ['wasm.v3.Wasm', 'set_filter_state.v3.Config'].map((name) => `type.googleapis.com/envoy.extensions.filters.network.${name}`),
      },
    };
    envoy = await EnvoyProcess.start({ node: { id: 'test', cluster: 'test' }, static_resources: { listeners: [listener('chain', [discovered, echo])] } }, { concurrency: 4 });
    address = await envoy.address('chain');
  }, 60_000);
  afterAll(async () => {
    await envoy?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('keeps the counts, through stricter and wider ones and a time without any; no listener is touched', { timeout: 60_000 }, async () => {
    const inside = await enter(address, 3);
    expect(inside).toHaveLength(2);
    await update([{ name: 'one', value: 1 }]);
    expect(await enter(address, 2)).toEqual([]);
    await update([{ name: 'one', value: 3 }]);
    inside.push(...await enter(address, 3));
    expect(inside).toHaveLength(3);
    expect(await active(envoy, 'one')).toBe(3);
    await update(undefined);
    const free = await enter(address, 5);
    expect(free).toHaveLength(5);
    await update([{ name: 'one', value: 4 }]);
    inside.push(...await enter(address, 3));
    expect(inside).toHaveLength(4);
    expect(await Promise.all([...inside, ...free].map(serves))).toEqual(Array(9).fill(true));
    for (const client of [...inside, ...free]) client.leave();
    await until(async () => await active(envoy, 'one') === 0);
    expect(await enter(address, 6)).toHaveLength(4);
    expect([await envoy.stat('listener_manager.listener_modified'), await envoy.stat('listener_manager.total_listeners_draining')]).toEqual([0, 0]);
  });
});

describe('a VM that dies', () => {
  let envoy: EnvoyProcess, address: string;
  beforeAll(async () => {
    const wasm = compileFilter('trapping-limit');
    envoy = await EnvoyProcess.start({ static_resources: { listeners: [listener('trap', [limitFilter('trap', [{ name: 'one', value: 12 }], { wasm }), echo])] } }, { concurrency: 4 });
    address = await envoy.address('trap');
  }, 60_000);
  afterAll(async () => { await envoy?.stop(); });

  test('closes what it had let in, and its places come back; those of other workers stay taken', { timeout: 60_000 }, async () => {
    const inside = await enter(address, 12);
    expect(inside).toHaveLength(12);
    const [killer] = inside as [EchoClient];
    killer.say('x'.repeat(666));
    await killer.until(() => killer.closed);
    const alive = await Promise.all(inside.map(async (client) => client !== killer && await serves(client)));
    const survivors = inside.filter((_, i) => alive[i]);
    const lost = inside.length - survivors.length;
    expect(lost).toBeGreaterThan(0);
    // Until the lease of the dead is over there is no place; then there are those that the dead had.
    const replaced: EchoClient[] = [];
    await until(async () => {
      replaced.push(...await enter(address, 1));
      return replaced.length === lost && await active(envoy, 'one') === 12;
    });
    for (let i = 0; i < 8; i++) expect(await enter(address, 1)).toEqual([]);
    expect(await Promise.all([...survivors, ...replaced].map(serves))).toEqual(Array(12).fill(true));
    expect(await envoy.stat('wasm.gatewright.connection_limit.vm_reload_success')).toBeGreaterThan(0);
    for (const client of [...survivors, ...replaced]) client.leave();
    await until(async () => await active(envoy, 'one') === 0);
  });
});
