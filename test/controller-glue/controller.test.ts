// What is in force after Envoy refuses something, and after the next change, with an Envoy that says no to what the test names.
import { describe, expect, test } from 'vitest';
import { policies, policyKey } from '../../controller-glue/extproc-policies.ts';
import { type Applied, Controller, type Unpublished } from '../../controller-glue/controller.ts';
import type { Ir } from '../../controller-glue/ir.ts';
import { load } from '../../controller-glue/load.ts';
import { base, documents, httpRoute, securityPolicy } from '../up/manifests.ts';
import { backend, dynamicRoute, enabled } from '../up/resolver.ts';

const routesOf = ({ gateways }: Ir): Map<string, string> => new Map(gateways.flatMap(({ routeTables }) => routeTables.flatMap(({ virtualHosts }) => virtualHosts.flatMap(({ routes }) =>
  routes.map(({ name, action, jwt }) => [name.split('/')[2] ?? '', jwt === undefined ? action.kind : 'policy'] as const)))));

/** An Envoy that refuses a table in which one of these routes forwards, and keeps what it has. */
class Fake {
  inForce = new Map<string, string>();
  published = 0;
  applied: Applied[] = [];
  readonly controller: Controller;
  constructor(refused: (routes: Map<string, string>) => string | undefined) {
    const says = async (ir: Ir): Promise<string | undefined> => refused(routesOf(ir));
    this.controller = new Controller({
      settings: {}, prepare: async () => new Map(), validate: says, portsTaken: async () => new Map(), onApplied: (state) => this.applied.push(state),
      publish: async (ir) => {
        this.published++;
        const words = await says(ir);
        if (words !== undefined) return { kind: 'refused', words };
        this.inForce = routesOf(ir);
        return undefined;
      },
    });
  }
  apply(...objects: readonly object[]): Promise<void> {
    // Each object a document of its own cache, as the files source would give them: what is the same is the same object.
    const resources = load([{ path: 'a.yaml', text: `${base}\n---\n${documents(...objects)}` }], this.#cache).resources;
    return this.controller.apply({ resources, problems: [] });
  }
  readonly #cache = new Map();
  get problems(): string[] { return this.applied.at(-1)?.problems.map(({ object, message }) => `${object?.kind} ${object?.name}: ${message}`) ?? []; }
}

const bad = httpRoute('bad'), good = httpRoute('good');
const deny = securityPolicy('good', { authorization: { defaultAction: 'Deny' } });

describe('an object that Envoy refuses', () => {
  const refusesBad = (): Fake => new Fake((routes) => routes.get('bad') === 'forward' ? 'bad route' : undefined);

  test('is closed and named, and the rest of its change is in force', async () => {
    const envoy = refusesBad();
    await envoy.apply(good);
    await envoy.apply(good, bad, httpRoute('more'));
    expect(Object.fromEntries(envoy.inForce)).toEqual({ good: 'forward', more: 'forward', bad: 'respond' });
    expect(envoy.problems).toEqual([expect.stringContaining('HTTPRoute bad: Envoy refuses it: bad route')]);
  });

  test('keeps nothing that comes later from being in force, and is the one that is blamed', async () => {
    const envoy = refusesBad();
    await envoy.apply(good);
    await envoy.apply(good, bad);
    await envoy.apply(good, bad, deny);
    expect(Object.fromEntries(envoy.inForce)).toEqual({ good: 'policy', bad: 'respond' });
    expect(envoy.problems).toEqual([expect.stringContaining('HTTPRoute bad: Envoy refuses it')]);
    await envoy.apply(good, deny);
    expect(Object.fromEntries(envoy.inForce)).toEqual({ good: 'policy' });
    expect(envoy.problems).toEqual([]);
  });

  test('is served as soon as Envoy takes it', async () => {
    let strict = true;
    const envoy = new Fake((routes) => strict && routes.get('bad') === 'forward' ? 'bad route' : undefined);
    await envoy.apply(good, bad);
    strict = false;
    await envoy.apply(good, bad, httpRoute('more'));
    expect(envoy.inForce.get('bad')).toBe('forward');
  });
});

describe('a state that cannot be brought about', () => {
  test('is not called applied', async () => {
    const envoy = new Fake(() => 'anything');
    await expect(envoy.apply(good)).rejects.toThrow('Envoy refuses every form of this state and keeps what it has: anything');
    expect(envoy.applied).toEqual([]);
  });

  test('does not keep the next one from its turn', async () => {
    let calls = 0;
    const applied: Applied[] = [];
    const controller = new Controller({
      settings: {}, prepare: async () => new Map(), validate: async () => undefined, portsTaken: async () => new Map(), onApplied: (state) => applied.push(state),
      publish: async () => {
        if (++calls === 1) throw new Error('no Envoy');
        return undefined;
      },
    });
    const resources = (...objects: readonly object[]) => ({ resources: load([{ path: 'a.yaml', text: `${base}\n---\n${documents(...objects)}` }]).resources, problems: [] });
    const first = controller.apply(resources(good));
    const second = controller.apply(resources(good, deny));
    await Promise.allSettled([first, second]);
    expect(applied).toHaveLength(1);
    expect(routesOf(applied[0]?.ir ?? { gateways: [] }).get('good')).toBe('policy');
  });
});

describe('an outcome that is not a refusal', () => {
  const resources = (...objects: readonly object[]) => ({ resources: load([{ path: 'a.yaml', text: `${base}\n---\n${documents(...objects)}` }]).resources, problems: [] });
  const large = (name: string): Unpublished => ({ kind: 'large', objects: [{ ref: { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'default', name }, message: 'makes it too large' }] });
  /** What publishing says, state by state; then nothing. */
  const says = (...outcomes: readonly (Unpublished | undefined)[]) => {
    const applied: Applied[] = [], published: Map<string, string>[] = [];
    const controller = new Controller({
      settings: {}, prepare: async () => new Map(), validate: async () => undefined, portsTaken: async () => new Map(), onApplied: (state) => applied.push(state),
      publish: async (ir) => { published.push(routesOf(ir)); return outcomes[published.length - 1]; },
    });
    return { applied, published, controller };
  };

  test('what is too large is closed by its paths and named, and the rest of the change is in force', async () => {
    const { applied, published, controller } = says(large('bad'));
    const matched = httpRoute('bad', [{ path: { value: '/bad' }, headers: [{ name: 'x', value: 'y' }] }]);
    await controller.apply(resources(good, matched, deny));
    expect(published.map((routes) => Object.fromEntries(routes))).toEqual([{ good: 'policy', bad: 'forward' }, { good: 'policy', bad: 'respond' }]);
    expect(applied.map(({ problems }) => problems.map(({ object, message }) => `${object?.name}: ${message}`))).toEqual([['bad: makes it too large']]);
    const [closed] = applied[0]?.ir.gateways[0]?.routeTables[0]?.virtualHosts.flatMap(({ routes }) => routes.filter(({ name }) => name.includes('/bad/'))) ?? [];
    expect(closed?.match).toEqual({ path: { kind: 'prefix', value: '/bad' }, headers: [], query: [] });
    expect(applied[0]?.statuses.find(({ kind, metadata: { name } }) => kind === 'HTTPRoute' && name === 'bad')?.status).toMatchObject({ parents: [{ conditions: expect.arrayContaining([expect.objectContaining({ type: 'Accepted', status: 'False', message: expect.stringContaining('makes it too large') })]) }] });
  });

  test('what stays too large whatever is closed is not applied, and the next state has its turn', async () => {
    const { applied, controller } = says(large('bad'), large('bad'));
    await expect(controller.apply(resources(good, bad))).rejects.toThrow('larger than an Envoy takes, and stays so whatever is closed: makes it too large');
    expect(applied).toEqual([]);
    await controller.apply(resources(good));
    expect(applied).toHaveLength(1);
  });

  test('what no Envoy has acknowledged is not in force until one does', async () => {
    const { applied, published, controller } = says({ kind: 'unanswered' }, { kind: 'unanswered' });
    await controller.apply(resources(good));
    expect([published.length, applied.length]).toEqual([3, 1]);
  });

  test('not even where something was refused before, whose closed form is waited for', async () => {
    const { applied, published, controller } = says({ kind: 'refused', words: 'bad route' }, { kind: 'unanswered' });
    await controller.apply(resources(good));
    expect([published.length, applied.length]).toEqual([3, 1]);
  });

  test('nor is it waited for once another state is wanted', async () => {
    const { applied, published, controller } = says({ kind: 'unanswered' });
    const first = controller.apply(resources(good));
    await controller.apply(resources(good, deny));
    await first;
    expect(published.map((routes) => routes.get('good'))).toEqual(['forward', 'policy']);
    expect(applied).toHaveLength(1);
  });
});

describe('what the ext_proc service cannot be asked about', () => {
  const resolverPolicy = (name: string, deny: string): object => ({
    apiVersion: 'gatewright.dev/v1alpha1', kind: 'ResolverPolicy', metadata: { name }, spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name }], names: { deny: [deny] } },
  });
  const objects = [enabled, backend('any'), dynamicRoute('first', 'any'), resolverPolicy('first', 'secret.test'), dynamicRoute('second', 'any'), resolverPolicy('second', 'other.test'), good, deny];
  /** A service that does not take the policies in which one of these words is. */
  const without = (...words: string[]) => {
    const applied: Applied[] = [], published: Ir[] = [];
    const controller = new Controller({
      settings: {}, validate: async () => undefined, portsTaken: async () => new Map(), onApplied: (state) => applied.push(state),
      prepare: async (ir) => new Map(policies(ir).filter(({ document }) => words.some((word) => document.reveal().includes(word))).map((policy) => [policyKey(policy), 'nobody is there'])),
      publish: async (ir) => { published.push(ir); return undefined; },
    });
    const apply = (...more: readonly object[]): Promise<void> => controller.apply({ resources: load([{ path: 'a.yaml', text: `${base}\n---\n${documents(...objects, ...more)}` }]).resources, problems: [] });
    const routes = (): object => Object.fromEntries(routesOf(published.at(-1) ?? { gateways: [] }));
    return { apply, applied, controller, published, routes, words };
  };

  test('is closed, and all else is in force; so are the changes that come', async () => {
    const service = without('secret.test', 'other.test');
    await service.apply();
    expect(service.routes()).toEqual({ first: 'respond', second: 'respond', good: 'policy' });
    const [closed] = service.published[0]?.gateways[0]?.routeTables[0]?.virtualHosts.flatMap(({ routes }) => routes.filter(({ name }) => name.includes('/first/'))) ?? [];
    expect(closed).toMatchObject({ action: { kind: 'respond', status: 500, reason: 'gatewright_extproc_unavailable' }, match: { path: { value: '/first' } } });
    expect(closed).not.toHaveProperty('resolver');
    await service.apply(httpRoute('more'));
    expect(service.routes()).toMatchObject({ first: 'respond', more: 'forward' });
  });

  test('is that policy alone where only one cannot be told', async () => {
    const service = without('secret.test');
    await service.apply();
    expect(service.routes()).toMatchObject({ first: 'respond', second: 'forward' });
  });

  test('is said on its route and its policy, and nowhere else', async () => {
    const service = without('secret.test');
    await service.apply();
    const message = 'answers 500 where it needs the ext_proc service, which is not available: nobody is there';
    expect(service.applied[0]?.problems.map(({ object, severity, file, line, message: text }) => [object?.kind, object?.name, severity, file, line > 0, text]))
      .toEqual(['HTTPRoute', 'ResolverPolicy'].map((kind) => [kind, 'first', 'error', 'a.yaml', true, message]));
    const said = service.applied[0]?.statuses.filter(({ status }) => JSON.stringify(status).includes('ExtprocUnavailable')) ?? [];
    expect(said.map(({ kind, metadata: { name } }) => `${kind} ${name}`)).toEqual(['HTTPRoute first', 'ResolverPolicy first']);
    for (const { status } of said) {
      expect([...status.parents ?? [], ...status.ancestors ?? []].map(({ conditions }) => conditions)).toEqual([expect.arrayContaining([{ type: 'Programmed', status: 'False', reason: 'ExtprocUnavailable', message }])]);
    }
  });

  test('is open as soon as it can, without a change', async () => {
    const service = without('secret.test', 'other.test');
    await service.apply();
    service.words.length = 0;
    await service.controller.again();
    expect(service.routes()).toEqual({ first: 'forward', second: 'forward', good: 'policy' });
    expect(service.applied.at(-1)?.problems).toEqual([]);
    expect(JSON.stringify(service.applied.at(-1)?.statuses)).not.toContain('ExtprocUnavailable');
  });
});
