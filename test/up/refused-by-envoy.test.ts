// What Envoy refuses of a change, found among the good of the same change while requests go on: routes, by their patterns.
// refusals.test.ts has the certificates.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { goodClaims, policies } from '../cases/jwt.ts';
import { token } from '../cases/tokens.ts';
import { ask } from '../envoy/answer.ts';
import { Gatewright } from './gatewright.ts';
import { Hammer } from './hammer.ts';
import { base, documents, httpRoute, securityPolicy } from './manifests.ts';

/** RE2 counts what nested repeats multiply to; regex-problem.ts, which only counts states, lets this through. */
const REFUSED = '(a{32}){33}';
const WORDS = 'Envoy refuses it: invalid repetition size: {33}';
const bad = (name: string, type = 'path'): object => httpRoute(name, [type === 'path' ? { path: { type: 'RegularExpression', value: `/${name}/${REFUSED}` } } : { path: { value: `/${name}` }, [type]: [{ type: 'RegularExpression', name: 'x', value: REFUSED }] }]);
const bearer = { authorization: `Bearer ${token(goodClaims)}` };

interface Condition { readonly type: string; readonly status: string; readonly reason: string; readonly message: string }

let gatewright: Gatewright;
let hammer: Hammer<'open' | 'anonymous' | 'authorized'>;
const status = async (path: string, headers: Record<string, string> = {}): Promise<number> => (await ask(gatewright.address(), path, { headers })).status;
const accepted = async (name: string): Promise<Condition | undefined> => {
  const found = await gatewright.status('HTTPRoute', name) as unknown as { parents: { conditions: Condition[] }[] } | undefined;
  return found?.parents[0]?.conditions.find(({ type }) => type === 'Accepted');
};
const problems = async (): Promise<{ file: string; message: string; object?: { name: string } }[]> => JSON.parse(await gatewright.page('problems'));
/** The objects that Envoy is said to refuse, each once: a pattern is named beside its object. */
const blamed = async (): Promise<string[]> => [...new Set((await problems()).flatMap(({ message, object }) => (message.startsWith('Envoy refuses it') ? [`${object?.name}: ${message}`] : [])))].sort();

const start = async (more: Readonly<Record<string, string>> = {}): Promise<void> => {
  gatewright = await Gatewright.start({ 'base.yaml': base, 'first.yaml': documents(httpRoute('open'), httpRoute('kept'), securityPolicy('kept', policies.plain)), ...more });
  const address = gatewright.address();
  hammer = new Hammer(() => address, { open: { path: '/open' }, anonymous: { path: '/kept' }, authorized: { path: '/kept', headers: bearer } });
};
const stop = async (): Promise<void> => {
  await hammer?.stop();
  await gatewright?.stop();
};
const expectUndisturbed = async (): Promise<void> => {
  await gatewright.until(() => hammer.count('open') > 20);
  expect([hammer.statuses('open'), hammer.statuses('anonymous'), hammer.statuses('authorized')]).toEqual([[200], [401], [200]]);
};

describe('a route that Envoy refuses, while all is served', () => {
  beforeAll(() => start());
  afterAll(stop);

  test.each(['path', 'headers'])('for a pattern in its %s: closed and shown with Envoy\'s words; the good of the same change is in force', async (type) => {
    const name = `bad-${type}`;
    await gatewright.replace('change.yaml', documents(httpRoute(`before-${type}`), bad(name, type), httpRoute(`after-${type}`), securityPolicy(`after-${type}`, policies.plain)));
    expect(await accepted(name)).toMatchObject({ status: 'False', message: expect.stringContaining(WORDS) });
    expect(await blamed()).toEqual([`${name}: ${WORDS}`]);
    expect(await Promise.all([status(`/before-${type}`), status(`/after-${type}`), status(`/after-${type}`, bearer)])).toEqual([200, 401, 200]);
    expect(await accepted(`after-${type}`)).toMatchObject({ status: 'True' });
    if (type !== 'path') expect(await status(`/${name}`)).toBe(500);
    await expectUndisturbed();
  });

  test('corrected, it is served and nothing is said of it any more', async () => {
    await gatewright.replace('change.yaml', documents(httpRoute('bad-headers')));
    expect(await status('/bad-headers')).toBe(200);
    expect(await accepted('bad-headers')).toMatchObject({ status: 'True' });
    expect(await problems()).toEqual([]);
    await expectUndisturbed();
  });

  test('several at once are all found', async () => {
    const good = Array.from({ length: 9 }, (_, i) => httpRoute(`good-${i}`));
    await gatewright.replace('change.yaml', documents(...good.slice(0, 2), bad('one'), ...good.slice(2, 6), bad('two', 'headers'), ...good.slice(6), bad('three', 'queryParams')));
    expect(await blamed()).toEqual([`one: ${WORDS}`, `three: ${WORDS}`, `two: ${WORDS}`]);
    expect(await Promise.all(good.map((_, i) => status(`/good-${i}`)))).toEqual(good.map(() => 200));
    await expectUndisturbed();
  });

  test('one that was good is closed, and nothing else with it', async () => {
    await gatewright.replace('change.yaml', documents(httpRoute('turned'), httpRoute('other')));
    expect(await status('/turned')).toBe(200);
    await gatewright.replace('change.yaml', documents(bad('turned', 'headers'), httpRoute('other')));
    expect(await Promise.all([status('/turned'), status('/other')])).toEqual([500, 200]);
    // What comes later is not held up by what is still refused.
    await gatewright.replace('later.yaml', documents(httpRoute('later')));
    expect(await Promise.all([status('/turned'), status('/other'), status('/later')])).toEqual([500, 200, 200]);
    expect(await blamed()).toEqual([`turned: ${WORDS}`]);
    await expectUndisturbed();
  });

  test('a protected one does not leave its requests to an open one behind it', async () => {
    await gatewright.replace('change.yaml', documents(httpRoute('behind', [{ path: { value: '/' } }]), bad('guarded'), securityPolicy('guarded', policies.plain)));
    await gatewright.until(async () => await status('/elsewhere') !== 404);
    const matching = `/guarded/${'a'.repeat(32 * 33)}`;
    expect(await Promise.all([status(matching), status(matching, bearer)])).toEqual([500, 500]);
    expect(await accepted('guarded')).toMatchObject({ status: 'False' });
    await expectUndisturbed();
  });
});

describe('a route that Envoy refuses from the start', () => {
  beforeAll(() => start({ 'bad.yaml': documents(bad('bad', 'headers'), httpRoute('good')) }));
  afterAll(stop);

  test('keeps nothing else from being served, and is served once it is corrected', async () => {
    expect(await Promise.all([status('/bad'), status('/good'), status('/open'), status('/kept')])).toEqual([500, 200, 200, 401]);
    expect(await accepted('bad')).toMatchObject({ status: 'False', message: expect.stringContaining(WORDS) });
    expect(await blamed()).toEqual([`bad: ${WORDS}`]);
    await gatewright.replace('bad.yaml', documents(httpRoute('bad'), httpRoute('good')));
    expect(await Promise.all([status('/bad'), status('/good')])).toEqual([200, 200]);
    expect(await problems()).toEqual([]);
    await expectUndisturbed();
  });
});
