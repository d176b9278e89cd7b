// A process for tests that opens the key ring and says which keys it has.
import { realWorld } from '../../../extproc/world.ts';
import { SessionKeys } from '../../../cli/session-keys.ts';

const keys = await SessionKeys.open({ env: process.env, world: realWorld, log: { info: () => undefined, warn: () => undefined } });
process.stdout.write(keys.data.keys.map(({ kid }) => kid).join());
keys.close();
