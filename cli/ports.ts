// Before anything starts: a port that something else holds is the environment's fault, and said so.
import { createServer } from 'node:net';
import type { Settings } from '../controller-glue/draft.ts';
import type { Resources } from '../controller-glue/resources.ts';
import { translate } from '../controller-glue/translate.ts';
import { EnvironmentError } from './environment-error.ts';

/** Throws EnvironmentError for the first listener whose port cannot be bound. */
export async function refusePortsInUse(resources: Resources, { address, portOffset }: Pick<Settings, 'address' | 'portOffset'>): Promise<void> {
  for (const { listeners } of translate(resources, { address, portOffset }).ir.gateways) {
    for (const { name, port } of listeners) {
      const problem = await bindProblem(address, port);
      if (problem !== undefined) throw new EnvironmentError(`listener ${name}: ${address}:${port} cannot be bound: ${problem}`, 'end what holds the port, or choose others with --port-offset or --address');
    }
  }
}

function bindProblem(host: string, port: number): Promise<string | undefined> {
  if (port > 65_535) return Promise.resolve('there are no ports above 65535');
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', ({ message }) => resolve(message)).listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
