// Constant traffic while something changes: how many requests were answered, and which were not answered with 200.
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Load {
  /** Ends it. The statuses (or error codes) other than 200, with their numbers. */
  stop(): Promise<{ readonly answered: number; readonly failures: Readonly<Record<string, number>> }>;
  /** Resolves when so many more requests have been answered. */
  more(requests: number): Promise<void>;
}

/** As many requests to 127.0.0.1:`port` as four connections carry. */
export function startLoad(port: number, path: string): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const failures: Record<string, number> = {};
  let answered = 0;
  let stopping = false;
  const client = async (): Promise<void> => {
    while (!stopping) {
      const outcome = await status(port, path, agent);
      answered++;
      if (outcome !== '200') failures[outcome] = (failures[outcome] ?? 0) + 1;
    }
  };
  const clients = [client(), client(), client(), client()];
  return {
    more: async (requests) => {
      for (const enough = answered + requests; answered < enough;) await sleep(1);
    },
    stop: async () => {
      stopping = true;
      await Promise.all(clients);
      agent.destroy();
      return { answered, failures };
    },
  };
}

/** The status of one GET, or the code of the error that came instead. */
export function status(port: number, path: string, agent?: Agent): Promise<string> {
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port, path, ...(agent === undefined ? { agent: false } : { agent }) }, (response) => {
      response.resume().on('end', () => resolve(String(response.statusCode)));
    }).on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}
