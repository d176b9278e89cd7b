// Ports that something else on the machine holds. At start that is the environment's fault, and said so; later it is the listener's.
import { createServer } from 'node:net';
import type { Ir } from '../controller-glue/ir.ts';
import type { Settings } from '../controller-glue/draft.ts';
import type { Resources } from '../controller-glue/resources.ts';
import { translate } from '../controller-glue/translate.ts';
import { EnvironmentError } from './environment-error.ts';

/** Throws EnvironmentError for the first listener whose port cannot be bound. */
export async function refusePortsInUse(resources: Resources, { address, portOffset }: Pick<Settings, 'address' | 'portOffset'>): Promise<void> {
  const { ir } = translate(resources, { address, portOffset });
  const [taken] = await portsTaken(ir, address, new Set());
  if (taken !== undefined) throw new EnvironmentError(`${address}:${taken[0]} cannot be bound: ${taken[1]}`, 'end what holds the port, or choose others with --port-offset or --address');
}

/** Ports of a state that cannot be bound, and why. `ours` are not looked at: Envoys of ours hold them. */
export async function portsTaken({ gateways }: Ir, address: string, ours: ReadonlySet<number>): Promise<Map<number, string>> {
  const ports = gateways.flatMap(({ listeners }) => listeners.map(({ port }) => port)).filter((port) => !ours.has(port));
  const problems = await Promise.all(ports.map(async (port) => [port, await bindProblem(address, port)] as const));
  return new Map(problems.flatMap(([port, problem]) => problem === undefined ? [] : [[port, problem] as const]));
}

function bindProblem(host: string, port: number): Promise<string | undefined> {
  if (port > 65_535) return Promise.resolve('there are no ports above 65535');
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', ({ message }) => resolve(message)).listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
