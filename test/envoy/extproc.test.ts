// The table of test/cases/extproc.ts on a real Envoy.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Call } from '../../extproc/grpc.ts';
import { ExtProcServer } from '../../extproc/server.ts';
import { realWorld } from '../../extproc/world.ts';
import { type ExtProcCase, KNOWN_POLICY, type RogueCase, cases, rogueCases } from '../cases/extproc.ts';
import { EnvoyProcess } from './envoy-process.ts';
import { extProcBootstrap } from './extproc-bootstrap.ts';
import { type Pairs, Recorder, exchange } from './extproc-exchange.ts';

const folder = mkdtempSync(join(tmpdir(), 'gw-extproc-'));
const socket = join(folder, 'service');
const rogueSocket = (i: number): string => join(folder, `rogue-${i}`);
const rogues = rogueCases.map(({ service }) => createServer().on('stream', (stream, headers) => {
  const call = new Call(stream.on('error', () => {}));
  const peer = service(call, (name) => headers[name] as string | undefined);
  call.read(1e6, (bytes) => peer.receive(bytes));
  stream.on('end', () => peer.halfClosed()).on('close', () => peer.gone());
}));
const registry = new Registry();
const server = new ExtProcServer({ processors: cases.map(({ processor }) => processor), world: realWorld, log: pino({ level: 'silent' }), registry });
let recorder: Recorder;
beforeAll(async () => {
  recorder = await Recorder.start();
  await server.listen({ kind: 'unix', path: socket });
  await Promise.all(rogues.map((rogue, i) => new Promise<void>((resolve) => { rogue.listen(rogueSocket(i), resolve); })));
});
afterAll(async () => {
  await server.stop();
  for (const rogue of rogues) rogue.close();
  await recorder.stop();
  rmSync(folder, { recursive: true, force: true });
});

const values = (pairs: Pairs, name: string): string[] => pairs.filter(([key]) => key === name).map(([, value]) => value);

// As it comes, Envoy ends every stream with a reset; our own bootstrap has it end them in peace.
describe.each([['by a reset', false], ['in peace', true]])('streams end %s', (_, graceful) => {
  let envoy: EnvoyProcess;
  let address: string;
  beforeAll(async () => {
    recorder.got.clear();
    envoy = await EnvoyProcess.start({
      layered_runtime: { layers: [{ name: 'static', static_layer: { 'envoy.reloadable_features.ext_proc_graceful_grpc_close': graceful } }] },
      ...extProcBootstrap({
        upstreamPort: recorder.port, messageTimeout: '2s', namespaces: [...cases.map(({ processor }) => `gatewright.${processor.name}`), 'gatewright.rogue', 'gatewright.other'],
        services: { service: [socket], ...Object.fromEntries(rogueCases.map((_, i) => [`rogue-${i}`, [rogueSocket(i)]])) },
        routes: [
          ...cases.map(({ processor, mode, observability, request }, i) => ({
            prefix: `/case/${i}/`, processor: processor.name, metadata: request?.metadata, observability, ...(mode && { mode }),
            guard: processor.authorizes === true ? request?.metadata?.['gatewright-policy'] ?? 'none' : undefined,
          })),
          ...rogueCases.map(({ guard, mode }, i) => ({ prefix: `/rogue/${i}/`, processor: 'rogue', service: `rogue-${i}`, ...(mode && { mode }), guard: guard ? KNOWN_POLICY : undefined })),
        ],
      }),
    });
    address = await envoy.address('edge');
  });
  afterAll(() => envoy.stop());

  test.each(cases.map((each, i) => ({ ...each, path: `/case/${i}/` })))('$name', async ({ path, request, upstream, ...wanted }: ExtProcCase & { path: string }) => {
    if (upstream !== undefined) recorder.answers.set(path, upstream);
    const answer = await exchange(address, path, request);
    const details = values(answer.headers, 'x-details')[0];
    expect({ status: answer.status, ...(wanted.details !== undefined && { details }) }).toEqual({ status: wanted.status, ...(wanted.details !== undefined && { details: wanted.details }) });
    for (const [name, all] of Object.entries(wanted.headers ?? {})) expect(values(answer.headers, name), name).toEqual(all);
    for (const [name, all] of Object.entries(wanted.trailers ?? {})) expect(values(answer.trailers, name), name).toEqual(all);
    if (wanted.body !== undefined) expect(answer.body).toBe(wanted.body);
    const got = recorder.got.get(path);
    if (wanted.upstreamGot === false) expect(got).toBeUndefined();
    else if (wanted.upstreamGot !== undefined) {
      expect(got).toBeDefined();
      for (const [name, all] of Object.entries(wanted.upstreamGot.headers ?? {})) expect(values(got?.headers ?? [], name), name).toEqual(all);
      for (const [name, all] of Object.entries(wanted.upstreamGot.trailers ?? {})) expect(values(got?.trailers ?? [], name), name).toEqual(all);
      if (wanted.upstreamGot.body !== undefined) expect(got?.body).toBe(wanted.upstreamGot.body);
    }
  });

  test.each(rogueCases.map((each, i) => ({ ...each, path: `/rogue/${i}/` })))('$name', async ({ path, status, reached }: RogueCase & { path: string }) => {
    const answer = await exchange(address, path);
    expect(answer.status).toBe(status);
    if (reached !== undefined) expect(recorder.got.has(path)).toBe(reached);
  });

  test('and none stays open', async () => {
    await expect.poll(async () => (await registry.getSingleMetricAsString('gatewright_extproc_open_streams')).match(/ [1-9]\d*$/m), { timeout: 20_000 }).toBeNull();
  });
});
