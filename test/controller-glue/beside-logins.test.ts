// Which routes take the sessions of logins beside them off.
import { expect, test } from 'vitest';
import type { IrRoute, IrVirtualHost } from '../../controller-glue/ir.ts';
import { withoutSessionsOfOthers } from '../../controller-glue/steps/beside-logins.ts';
import { SESSION } from '../../controller-glue/xds/extensions.ts';
import { routeJson } from '../../controller-glue/xds/routes.ts';

const open = (name: string): IrRoute => ({ name, owners: [], match: { path: { kind: 'prefix', value: '/' }, headers: [], query: [] }, action: { kind: 'forward', shares: [{ cluster: 'c', weight: 1 }] } });
const login = (domain?: string): IrRoute => ({ ...open('login'), oidc: { id: 'p', policy: { cookies: { sameSite: 'Lax', domain }, tokenHeaders: {} }, session: {} } as never });
const host = (domain: string, ...routes: IrRoute[]): IrVirtualHost => ({ name: domain, domains: [domain], keySets: {}, routes });
const taken = (...tables: IrVirtualHost[][]): string[] => withoutSessionsOfOthers(tables.map((virtualHosts, i) => ({ name: `${i}`, virtualHosts })))
  .flatMap(({ virtualHosts }) => virtualHosts.flatMap(({ routes }) => routes.filter(({ besideLogin }) => besideLogin).map(({ name }) => name)));

test.each<[what: string, tables: IrVirtualHost[][], taken: string[]]>([
  ['of the same host', [[host('a.test', login(), open('same')), host('b.test', open('other'))]], ['same']],
  ['of the same host on another listener: cookies know no ports', [[host('a.test', login())], [host('a.test', open('port')), host('b.test', open('other'))]], ['port']],
  ['of every host that a cookieDomain is for', [[host('www.a.test', login('a.test')), host('b.a.test', open('below')), host('*.b.a.test', open('wild')), host('*.test', open('above')), host('*', open('any')), host('xa.test', open('other'))]], ['below', 'wild', 'above', 'any']],
  ['none where nobody logs in', [[host('a.test', open('alone'))]], []],
  ['none that forwards nothing', [[host('a.test', login(), { ...open('closed'), action: { kind: 'respond', status: 404, reason: 'gatewright_no_backend' as never } })]], []],
])('routes %s', (_, tables, expected) => expect(taken(...tables)).toEqual(expected));

test('Envoy has the filter on there, and no login', () => {
  const filters = routeJson({ ...open('same'), besideLogin: true }).typedPerFilterConfig ?? {};
  expect([Object.keys(filters), Object.keys(routeJson(open('same')).typedPerFilterConfig ?? {})]).toEqual([[SESSION], []]);
});
