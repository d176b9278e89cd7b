import { expect, test } from 'vitest';
import { TestHost } from '../../extproc/test-host.ts';
import { type ExtProcCase, KNOWN_POLICY, type RogueCase, cases, rogueCases } from '../cases/extproc.ts';

const values = (pairs: readonly (readonly [string, string])[], name: string): string[] => pairs.filter(([key]) => key === name).map(([, value]) => value);

test.each(cases)('$name', async ({ processor, mode, observability, request, upstream, ...wanted }: ExtProcCase) => {
  const host = new TestHost(processor, { ...(mode && { mode }), ...(observability && { observability }), ...(upstream && { upstream }), ...(processor.authorizes === true && { guard: processor.name }), messageTimeout: 2000 });
  const answer = await host.request(request);
  expect({ status: answer.status, ...(wanted.details !== undefined && { details: answer.details }) }).toEqual({ status: wanted.status, ...(wanted.details !== undefined && { details: wanted.details }) });
  for (const [name, all] of Object.entries(wanted.headers ?? {})) expect(values(answer.headers, name), name).toEqual(all);
  for (const [name, all] of Object.entries(wanted.trailers ?? {})) expect(values(answer.trailers, name), name).toEqual(all);
  if (wanted.body !== undefined) expect(answer.body).toBe(wanted.body);
  if (wanted.upstreamGot === false) expect(answer.upstream).toBeUndefined();
  else if (wanted.upstreamGot !== undefined) {
    expect(answer.upstream).toBeDefined();
    for (const [name, all] of Object.entries(wanted.upstreamGot.headers ?? {})) expect(values(answer.upstream?.headers ?? [], name), name).toEqual(all);
    for (const [name, all] of Object.entries(wanted.upstreamGot.trailers ?? {})) expect(values(answer.upstream?.trailers ?? [], name), name).toEqual(all);
    if (wanted.upstreamGot.body !== undefined) expect(answer.upstream?.body).toBe(wanted.upstreamGot.body);
  }
});

test.each(rogueCases)('$name', async ({ service, guard, mode, status, reached }: RogueCase) => {
  const host = new TestHost(service, { ...(guard && { guard: 'rogue' }), ...(mode && { mode }), messageTimeout: 50 });
  const answer = await host.request({ metadata: { 'gatewright-policy': KNOWN_POLICY } });
  expect(answer.status).toBe(status);
  if (reached !== undefined) expect(answer.upstream !== undefined).toBe(reached);
});
