// Several ResolverPolicies over one rule: what a Gateway denies stays denied, what a route does not say it inherits, and names are looked up as the Gateway says.
import { describe, expect, test } from 'vitest';
import { load } from '../../controller-glue/load.ts';
import { translate } from '../../controller-glue/translate.ts';
import { ResolverPolicy } from '../../policy/resolver.ts';
import { backend, dynamicRoute, edge } from '../up/resolver.ts';
import { documents, httpRoute, service } from '../up/manifests.ts';

type Place = 'gateway' | 'listener' | 'route' | 'rule';
const targets: Readonly<Record<Place, object>> = {
  gateway: { kind: 'Gateway', name: 'eg' }, listener: { kind: 'Gateway', name: 'eg', sectionName: 'http' },
  route: { kind: 'HTTPRoute', name: 'open' }, rule: { kind: 'HTTPRoute', name: 'open', sectionName: 'main' },
};
const policy = ([place, spec]: readonly [string, object]): object => ({
  apiVersion: 'gatewright.dev/v1alpha1', kind: 'ResolverPolicy', metadata: { name: place }, spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', ...targets[place as Place] }], ...spec },
});
const rules = [{ name: 'main', matches: [{ path: { type: 'PathPrefix', value: '/open' } }], backendRefs: [{ group: 'gateway.envoyproxy.io', kind: 'Backend', name: 'any' }] }];

/** What holds on the rule, and what is said about it, under these policies. */
function under(levels: Partial<Record<Place, object>>, more: readonly object[] = []) {
  const text = `${edge}\n---\n${documents(service(), backend('any'), dynamicRoute('open', 'any', {}, { rules }), ...Object.entries(levels).map(policy), ...more)}`;
  const { resources, problems } = load([{ path: 'in.yaml', text }]);
  const { ir, problems: found, statuses } = translate(resources);
  const routes = ir.gateways.flatMap(({ routeTables }) => routeTables.flatMap(({ virtualHosts }) => virtualHosts.flatMap((host) => host.routes)));
  const status = (place: Place): string => JSON.stringify(statuses.find(({ kind, metadata }) => kind === 'ResolverPolicy' && metadata.name === place));
  const [route] = routes.filter(({ name }) => name.includes('/open/'));
  return {
    routes, route, holds: route?.resolver?.policy.policy, status,
    said: [...problems, ...found].map(({ object, path, severity, message }) => `${severity} ${object?.name} ${path}: ${message}`),
  };
}

const defaults = ResolverPolicy.parse({});

describe('what is denied anywhere is denied', () => {
  test.each<[string, Partial<Record<Place, object>>, object]>([
    ['by all four, the Gateway\'s first', {
      rule: { names: { deny: ['rule.test'] } }, route: { names: { deny: ['route.test'] } }, listener: { names: { deny: ['listener.test'] } }, gateway: { names: { deny: ['gateway.test'] } },
    }, { names: { allow: ['*'], deny: ['gateway.test', 'listener.test', 'route.test', 'rule.test'] } }],
    ['whatever a route allows', { gateway: { names: { deny: ['a.test'] }, addresses: { deny: ['Private'] }, ports: { deny: [{ port: 22 }] } }, route: { names: { allow: ['*', 'a.test'] }, addresses: { allow: ['Private'] }, ports: { allow: [{ port: 1, endPort: 65_535 }] } } }, {
      names: { allow: ['*', 'a.test'], deny: ['a.test'] }, addresses: { allow: ['Private'], deny: ['Private'] }, ports: { allow: [{ port: 1, endPort: 65_535 }], deny: [{ port: 22 }] },
    }],
    ['each entry once, however it is written', {
      gateway: { names: { deny: ['a.test', 'b.test'] }, addresses: { deny: ['10.0.0.1'] }, ports: { deny: [{ port: 22 }] } },
      route: { names: { deny: ['A.TEST', 'c.test'] }, addresses: { deny: ['10.0.0.1', '10.0.0.2'] }, ports: { deny: [{ port: 22, endPort: 22 }, { port: 22, endPort: 23 }] } },
    }, { names: { allow: ['*'], deny: ['a.test', 'b.test', 'c.test'] }, addresses: { allow: ['Public'], deny: ['10.0.0.1', '10.0.0.2'] }, ports: { ...defaults.ports, deny: [{ port: 22 }, { port: 22, endPort: 23 }] } }],
    ['though the route says nothing of it', { gateway: { names: { deny: ['a.test'] } }, route: { names: {} }, rule: {} }, { names: { allow: ['*'], deny: ['a.test'] } }],
  ])('%s', (_, levels, expected) => {
    const { holds, said } = under(levels);
    expect(holds).toEqual({ ...defaults, ...expected });
    expect(said).toEqual([]);
  });
});

describe('what a policy does not say it inherits, section by section', () => {
  test.each<[string, Partial<Record<Place, object>>, object]>([
    ['nobody says anything', { rule: {} }, {}],
    ['from the Gateway', { gateway: { names: { allow: ['a.test'] }, addresses: { allow: ['Private'] }, ports: { allow: [{ port: 1 }] }, lookupFamily: 'IPv6', connectProbe: false }, rule: { names: { deny: ['b.test'] } } }, {
      names: { allow: ['a.test'], deny: ['b.test'] }, addresses: { allow: ['Private'], deny: [] }, ports: { allow: [{ port: 1 }], deny: [] }, lookupFamily: 'IPv6', connectProbe: false,
    }],
    ['from whoever is next', {
      gateway: { names: { allow: ['gateway.test'] }, lookupFamily: 'IPv4', connectProbe: false }, listener: { names: { allow: ['listener.test'] }, ports: { allow: [{ port: 2 }] } },
      route: { ports: { allow: [{ port: 3 }] }, connectProbe: true }, rule: { addresses: { allow: ['Loopback'] } },
    }, { names: { allow: ['listener.test'], deny: [] }, addresses: { allow: ['Loopback'], deny: [] }, ports: { allow: [{ port: 3 }], deny: [] }, lookupFamily: 'IPv4' }],
    ['not what it says itself, the default included', { gateway: { names: { allow: ['a.test'] }, connectProbe: false }, route: { names: { allow: ['*'] }, connectProbe: true } }, {}],
  ])('%s', (_, levels, expected) => { expect(under(levels).holds).toEqual({ ...defaults, ...expected }); });
});

describe('names are looked up', () => {
  const dns = (server: string): object => ({ dns: { servers: [server] } });
  test.each<[string, Partial<Record<Place, object>>, string[], string[]]>([
    ['as the Gateway says, and a route that says otherwise is told', { gateway: dns('10.0.0.1'), route: dns('10.0.0.2') }, ['10.0.0.1'], ['route']],
    ['as the listener says before its Gateway, and a rule and a route are told', { gateway: dns('10.0.0.1'), listener: dns('10.0.0.2'), route: dns('10.0.0.3'), rule: dns('10.0.0.4') }, ['10.0.0.2'], ['route', 'rule']],
    ['as the route says where nobody above it does', { gateway: { names: { deny: ['a.test'] } }, route: dns('10.0.0.3') }, ['10.0.0.3'], []],
    ['as the rule says before its route', { route: dns('10.0.0.3'), rule: dns('10.0.0.4') }, ['10.0.0.4'], []],
    ['as the system says where nobody does', { gateway: {}, route: {} }, [], []],
  ])('%s', (_, levels, servers, told) => {
    const { holds, said } = under(levels);
    expect(holds?.dns).toEqual({ ...defaults.dns, servers });
    const by = 'listener' in levels ? 'listener' : 'gateway';
    expect(said.sort()).toEqual(told.map((place) => `warning ${place} spec.dns: is not used on HTTPRoute default/open: ResolverPolicy default/${by}, of its Gateway, says how names are looked up there`));
  });
});

describe('nothing is cut', () => {
  const names = (from: number, count: number): string[] => Array.from({ length: count }, (_, i) => `n${from + i}.test`);
  const addresses = (from: number, count: number): string[] => Array.from({ length: count }, (_, i) => `10.0.${Math.floor((from + i) / 256)}.${(from + i) % 256}`);
  const ports = (from: number, count: number): object[] => Array.from({ length: count }, (_, i) => ({ port: from + i }));
  test.each<[string, object, object, object, object, number]>([
    ['names', { names: { deny: names(0, 1000) } }, { names: { deny: names(990, 34) } }, { names: { deny: names(990, 35) } }, {}, 1024],
    ['addresses', { addresses: { deny: addresses(0, 256) } }, { addresses: { deny: addresses(0, 256) } }, { addresses: { deny: addresses(1, 256) } }, {}, 256],
    ['ports', { ports: { deny: ports(1, 60) } }, { ports: { deny: ports(61, 4) } }, { ports: { deny: ports(61, 5) } }, {}, 64],
  ])('of %s as many as one policy may deny are denied together, and with more the rule is closed', (list, gateway, fits, tooMany, rule, most) => {
    expect(under({ gateway, route: fits, rule }).holds?.[list as 'names'].deny.length).toBe(most);
    const { route, said, status } = under({ gateway, route: tooMany, rule });
    expect(route).toMatchObject({ action: { kind: 'respond', status: 500, reason: 'gatewright_policy_invalid' } });
    expect(route?.resolver).toBeUndefined();
    const words = `comes, with what the policies around it deny, to ${most + 1} entries, and there may be ${most}, on rule 0 of HTTPRoute default/open: the rule answers 500`;
    expect(said).toEqual([`error route spec.${list}.deny: ${words}`]);
    expect(status('route')).toContain(`"type":"PartiallyInvalid","status":"True","reason":"Invalid","message":"spec.${list}.deny: ${words}"`);
  });
});

test.each<Place>(['gateway', 'listener', 'route'])('a policy that cannot be read closes the rule, wherever it is: it may have denied (%s)', (place) => {
  const { route } = under({ rule: { names: { allow: ['a.test'] } }, [place]: { names: { denied: ['a.test'] } } });
  expect(route).toMatchObject({ action: { kind: 'respond', reason: 'gatewright_policy_invalid' }, owners: expect.arrayContaining([expect.objectContaining({ name: place }), expect.objectContaining({ name: 'rule' })]) });
});

test('a Gateway\'s policy is told that others say something of their own, and that it is heard all the same', () => {
  expect(under({ gateway: {}, route: {} }).status('gateway')).toContain('This policy is being overridden by other resolverPolicies for these routes: [default/open]. What this policy denies, and its dns, hold there all the same');
});

test('routes that lead elsewhere are not concerned', () => {
  const { routes, said } = under({ gateway: { dns: { servers: ['10.0.0.1'] } } }, [
    httpRoute('elsewhere'), { ...policy(['elsewhere', { dns: { servers: ['10.0.0.2'] } }]), spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'elsewhere' }], dns: {} } },
  ]);
  expect(routes.filter(({ name }) => name.includes('/elsewhere/')).map(({ resolver }) => resolver)).toEqual([undefined]);
  expect(said.filter((each) => each.includes('spec.dns'))).toEqual([]);
});
