// The `env` module of a guest, put together.
import type { Host } from '../host.ts';
import { bufferImports } from './buffers.ts';
import { callImports } from './calls.ts';
import { foreignImports } from './foreign-function.ts';
import { headerImports } from './headers.ts';
import { metricImports } from './metrics.ts';
import { propertyImports } from './properties.ts';
import { sharedImports } from './shared-data.ts';
import { streamImports } from './stream.ts';
import { systemImports } from './system.ts';

/** Host functions by name. Arguments are signed 32-bit numbers, i64 ones bigint; a status is returned. */
export type Imports = Record<string, (...args: never[]) => number | undefined>;

/** Every host function of ABI 0.2.1 bound to one instance. A module that imports another name is refused earlier. */
export function envImports(host: Host): Record<string, WebAssembly.ImportValue> {
  const imports: Imports = {
    ...systemImports(host), ...propertyImports(host), ...bufferImports(host), ...headerImports(host), ...streamImports(host),
    ...callImports(host), ...metricImports(host), ...sharedImports(host), ...foreignImports(host),
  };
  return imports as unknown as Record<string, WebAssembly.ImportValue>;
}
