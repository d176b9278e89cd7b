// `npm run bench`: every figure of the README, in one run; `npm run bench -- jwt fault` runs these parts. Needs wrk, util-linux, two cores,
// and for the Rust twins cargo with the target wasm32-wasip1.
import { benchChange } from './change.ts';
import { benchClusterChange } from './cluster-change.ts';
import { benchConnections } from './connections.ts';
import { benchDelays } from './delays.ts';
import { benchExtProc } from './extproc.ts';
import { benchFault } from './fault.ts';
import { benchJwt } from './jwt.ts';
import { benchResolver } from './resolver.ts';
import { benchSession } from './session.ts';

const parts: Readonly<Record<string, () => Promise<void>>> = {
  change: benchChange, cluster: benchClusterChange, jwt: benchJwt, fault: benchFault, delays: benchDelays, connections: benchConnections, resolver: benchResolver, session: benchSession, extproc: benchExtProc,
};
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in parts));
if (unknown.length > 0) {
  console.error(`no such part: ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}
for (const [name, part] of Object.entries(parts)) if (wanted.length === 0 || wanted.includes(name)) await part();
