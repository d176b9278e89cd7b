// What a connection limit costs a connection, and a request on one that stays open: Envoy's own filter, ours, and a Rust twin.
import { ask } from '../test/envoy/answer.ts';
import { networkWasm, ourConnectionLimit, plain, rustTwin } from './filters.ts';
import { any, cpuRounds, listener } from './rounds.ts';
import type { Json, Scenario } from './rounds.ts';

const LIMIT = 1_000_000;
const native: Json = { name: 'limit', typedConfig: any('envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit', { statPrefix: 'bench', maxConnections: LIMIT }) };
const ours = (limit: Json): Json => ourConnectionLimit({ connections: { listener: 'bench', limits: [{ name: 'bench', value: LIMIT, ...limit }] } });

function scenario(filter: readonly Json[], peer?: string): Scenario {
  return {
    listener: listener([], plain, filter), ...(peer === undefined ? {} : { peer }),
    check: async (address) => {
      const { status } = await ask(address, '/');
      if (status !== 200) throw new Error(String(status));
    },
  };
}

export async function benchConnections(): Promise<void> {
  const twin = networkWasm('twin', rustTwin('connection-limit'), {});
  const scenarios = {
    'no filter': scenario([]),
    'native connection_limit': scenario([native]),
    'Rust twin': scenario([twin]),
    'ours': scenario([ours({})], 'Rust twin'),
    'ours, per source address': scenario([ours({ per: 'SourceIP' })], 'Rust twin'),
  };
  await cpuRounds('Connection limit, a connection for each request', scenarios, { unit: 'connection' });
  await cpuRounds('Connection limit, connections that stay open', scenarios, { unit: 'request' });
}
if (import.meta.main) await benchConnections();
