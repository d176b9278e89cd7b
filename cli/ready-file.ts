// --ready-file: where scripts learn what is served, and on which ports. Written whole or not at all.
import { renameSync, writeFileSync } from 'node:fs';
import type { Applied } from '../controller-glue/controller.ts';

export interface Addresses {
  readonly address: string;
  readonly admin: (gateway: { readonly namespace: string; readonly name: string }) => string | undefined;
  readonly metrics: string;
}

/** `admin` at the top is that of the first Gateway; each Gateway has its own. */
export function writeReadyFile(file: string, { generation, ir }: Pick<Applied, 'generation' | 'ir'>, { address, admin, metrics }: Addresses): void {
  const gateways = ir.gateways.map(({ namespace, name, listeners }) => ({
    namespace, name, admin: admin({ namespace, name }),
    listeners: listeners.flatMap(({ port, serves, chains }) => {
      const scheme = chains.some(({ certificates }) => certificates.length > 0) ? 'https' : 'http';
      return serves.map((listener) => ({ name: listener, port, url: `${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}` }));
    }),
  }));
  writeFileSync(`${file}.new`, `${JSON.stringify({ generation, gateways, admin: gateways[0]?.admin, metrics })}\n`);
  renameSync(`${file}.new`, file);
}
