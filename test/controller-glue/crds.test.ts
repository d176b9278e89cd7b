// deploy/crds: as the schemas say it, in the form that Kubernetes takes, and no more or less strict than files are read, but for what CEL says.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { load } from '../../controller-glue/load.ts';
import { crds } from '../../scripts/generate-crds.ts';

type Schema = { [keyword: string]: unknown; properties?: Record<string, Schema>; items?: Schema };
interface Crd { spec: { names: { kind: string }; versions: { schema: { openAPIV3Schema: Schema } }[] } }

const folder = join(import.meta.dirname, '../../deploy/crds');
const committed = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')] as const);
const schemas = new Map(committed.map(([, text]) => {
  const { spec } = parse(text) as Crd;
  return [spec.names.kind, spec.versions[0]?.schema.openAPIV3Schema ?? {}];
}));

test('are what scripts/generate-crds.ts writes', () => expect(Object.fromEntries(committed)).toEqual(crds()));

describe('are structural', () => {
  const nodes = (schema: Schema, at: string): [string, Schema][] => [
    [at, schema], ...Object.entries(schema.properties ?? {}).flatMap(([name, property]) => nodes(property, `${at}.${name}`)),
    ...(schema.items === undefined ? [] : nodes(schema.items, `${at}[]`)),
  ];
  test.each([...schemas])('%s', (kind, schema) => {
    for (const [at, { type, properties, additionalProperties, anyOf, oneOf, const: constant, $ref }] of nodes(schema, kind)) {
      expect(type, at).toMatch(/^(object|array|string|integer|number|boolean)$/);
      expect([anyOf, oneOf, constant, $ref], at).toEqual([undefined, undefined, undefined, undefined]);
      expect(properties !== undefined && additionalProperties !== undefined, at).toBe(false);
    }
  });
});

const ajv = new Ajv({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addFormat('int32', true).addFormat('int64', true).addFormat('cidr', /^[0-9a-f.:]+\/[0-9]+$/);
const accepts = (document: { kind: string }): boolean => ajv.compile(schemas.get(document.kind) ?? false)(document) as boolean;

const goldens = join(import.meta.dirname, '../golden');
const written = readdirSync(goldens).flatMap((sentence) => parseAllDocuments(readFileSync(join(goldens, sentence, 'in.yaml'), 'utf8'))
  .map((document) => document.toJS() as { kind: string; metadata: { name: string } }).filter((document) => document !== null && schemas.has(document.kind))
  .map((document) => ({ name: `${document.kind} ${document.metadata.name} of ${sentence}`, document })));
const good = written.filter(({ document }) => load([{ path: 'a.yaml', text: JSON.stringify(document) }]).problems.length === 0);

describe('take what the goldens hold and files are read with', () => {
  test('which is something of each kind', () => expect(new Set(good.map(({ document }) => document.kind))).toEqual(new Set(schemas.keys())));
  test.each(good)('$name', ({ document }) => {
    expect(accepts(document)).toBe(true);
    expect(ajv.errors ?? []).toEqual([]);
  });
});

const targetRefs = [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'eg' }];
const faults = (...each: object[]): object => ({ kind: 'FaultPolicy', spec: { targetRefs, faults: each } });
const requests = (limit: object): object => ({ kind: 'ConcurrencyPolicy', spec: { targetRefs, limits: [{ name: 'all', ...limit }] } });
const connections = (limit: object): object => ({ kind: 'ConnectionLimitPolicy', spec: { targetRefs, limits: [{ name: 'all', ...limit }] } });
const login = (spec: object): object => ({ kind: 'OIDCPolicy', spec: { targetRefs, ...spec } });
const resolver = (spec: object): object => ({ kind: 'ResolverPolicy', spec: { targetRefs, ...spec } });
describe('refuse, as files do', () => {
  test.each<[string, object]>([
    ['a status of 99', faults({ abort: { httpStatus: 99 } })],
    ['a status of 600', faults({ abort: { httpStatus: 600 } })],
    ['a percentage of 101', faults({ abort: { httpStatus: 503, percentage: 101 } })],
    ['a negative percentage', faults({ abort: { httpStatus: 503, percentage: -1 } })],
    ['parsecs', faults({ delay: { fixedDelay: '2 parsecs' } })],
    ['a code that is text', faults({ abort: { httpStatus: '503' } })],
    ['a stream that is not reset', faults({ abort: { reset: false } })],
    ['a day that is none', faults({ schedule: { start: 'tomorrow' }, abort: { httpStatus: 503 } })],
    ['no faults', faults()],
    ['a limit of 0', requests({ value: 0 })],
    ['no value', requests({})],
    ['a status that is neither 429 nor 503', requests({ value: 1, httpStatus: 500 })],
    ['a key of no type', requests({ value: 1, key: { name: 'x' } })],
    ['no connections', connections({ value: 0 })],
    ['a source that is no range', connections({ value: 1, sources: ['everywhere'] })],
    ['a name in capitals', connections({ name: 'All', value: 1 })],
    ['a target of another kind', { kind: 'ConnectionLimitPolicy', spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'eg' }], limits: [{ name: 'all', value: 1 }] } }],
    ['a name server by its name', resolver({ dns: { servers: ['ns.example.com'], timeout: 3 } })],
    ['sessions in a database of another kind', login({ session: { store: { postgres: {} } } })],
    ['an assertion without a unit', login({ assertion: { lifetime: 60 } })],
    ['a client that shows a certificate', login({ clientAuthentication: { method: 'TlsClientAuth' } })],
    ['a header with a colon', login({ claimsToHeaders: [{ claim: 'sub', header: 'x:y' }] })],
    ['a claim without a header', login({ claimsToHeaders: [{ claim: 'sub' }] })],
    ['a back channel with a query', login({ logout: { backChannelPath: '/out?x=1' } })],
    ['a login that asks nobody', login({ login: { prompt: ['none'] } })],
    ['an error page from nowhere', login({ errorPage: { key: 'error.html' } })],
    ['a port of 0', resolver({ ports: { allow: [{ port: 0 }] } })],
    ['no ports at all', resolver({ ports: { allow: [] } })],
    ['a pattern in the middle of a name', resolver({ names: { allow: ['a.*.test'] } })],
    ['an unknown family', resolver({ lookupFamily: 'IPv5' })],
  ])('%s', (_, document) => {
    expect(accepts(document as { kind: string })).toBe(false);
    expect(load([{ path: 'a.yaml', text: JSON.stringify({ apiVersion: 'gatewright.dev/v1alpha1', metadata: { name: 'x' }, ...document }) }]).problems).not.toEqual([]);
  });
});
