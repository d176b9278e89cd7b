// `npm run bench`: every figure of the README, in one run. Needs wrk (apt-get install wrk) and two cores.
import { benchChange } from './change.ts';
import { benchCpu } from './cpu.ts';

await benchChange();
console.log('');
await benchCpu();
