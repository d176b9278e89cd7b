// What people and programs can look at while `up` runs: /status, /problems, /metrics, on loopback.
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import type { Applied } from '../controller-glue/controller.ts';

export class Observer {
  readonly #registry = new Registry();
  readonly #server: Server;
  readonly #more: () => Promise<string>;
  #state: Applied | undefined;
  readonly #generation: Gauge;
  readonly #problems: Gauge;

  /** `more`: metrics of others, in Prometheus' text form. */
  private constructor(more: () => Promise<string>) {
    this.#more = more;
    collectDefaultMetrics({ register: this.#registry });
    const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers: [this.#registry] });
    this.#generation = gauge('gatewright_generation', 'States that have been in force so far');
    this.#problems = gauge('gatewright_problems', 'Problems of the resources in force');
    this.#server = createServer(async ({ url, method }, response) => {
      const page = method === 'GET' ? await this.#page(url ?? '').catch(() => undefined) : undefined;
      if (page === undefined) response.writeHead(404, { 'content-type': 'text/plain' }).end('try /metrics, /status or /problems\n');
      else response.writeHead(200, { 'content-type': page.type }).end(page.body);
    });
  }

  static async start(more: () => Promise<string>): Promise<Observer> {
    const observer = new Observer(more);
    await new Promise<void>((resolve, reject) => observer.#server.once('error', reject).listen(0, '127.0.0.1', resolve));
    return observer;
  }

  get url(): string { return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/metrics`; }

  show(state: Applied): void {
    this.#state = state;
    this.#generation.set(state.generation);
    this.#problems.set(state.problems.length);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #page(url: string): Promise<{ readonly type: string; readonly body: string } | undefined> {
    const json = (value: unknown): { type: string; body: string } => ({ type: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` });
    if (url === '/metrics') return { type: this.#registry.contentType, body: `${await this.#registry.metrics()}\n${await this.#more()}` };
    if (url === '/status') return json(this.#state?.statuses ?? []);
    if (url === '/problems') return json(this.#state?.problems ?? []);
    return undefined;
  }
}
