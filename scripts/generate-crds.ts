// Writes deploy/crds/: the kinds of our own as Kubernetes has them, from the schemas that the controller reads them with.
//   node scripts/generate-crds.ts
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { GATEWRIGHT } from '../controller-glue/kinds.ts';
import { ConcurrencyPolicySpec } from '../controller-glue/kinds/concurrency-policy.ts';
import { ConnectionLimitPolicySpec } from '../controller-glue/kinds/connection-limit-policy.ts';
import { FaultPolicySpec } from '../controller-glue/kinds/fault-policy.ts';
import { OidcPolicySpec } from '../controller-glue/kinds/oidc-policy.ts';
import { ResolverPolicySpec } from '../controller-glue/kinds/resolver-policy.ts';
import { ConcurrencyPolicy, ConnectionLimit, ConnectionLimits } from '../policy/connection-limit.ts';
import { Abort, Delay, Fault, ResponseDelay, ResponseFault, ResponseRateLimit, Schedule } from '../policy/fault.ts';
import { ClientAuthenticationSettings, LoginSettings } from '../policy/oidc-policy.ts';
import { RequestKey } from '../policy/request-key.ts';
import { AllowedAddress, DnsSettings, PortPattern } from '../policy/resolver.ts';

interface Rule { readonly rule: string; readonly message: string }
type Schema = { readonly [keyword: string]: unknown };

/** The kinds, each with what `kubectl explain` says first. */
const kinds: readonly { readonly kind: string; readonly plural: string; readonly spec: z.ZodType; readonly description: string }[] = [
  { kind: 'FaultPolicy', plural: 'faultpolicies', spec: FaultPolicySpec, description: 'Faults in the requests of routes: delays, aborts, answers that are changed or slowed down. On a Gateway it is for every route of it that has none of its own.' },
  { kind: 'ConcurrencyPolicy', plural: 'concurrencypolicies', spec: ConcurrencyPolicySpec, description: 'Limits on the requests that are in flight at one time. On a Gateway it is for every route of it that has none of its own; the routes share its counts.' },
  { kind: 'ConnectionLimitPolicy', plural: 'connectionlimitpolicies', spec: ConnectionLimitPolicySpec, description: 'Limits on the connections of a Gateway\'s listeners, before anything is read from them.' },
  { kind: 'ResolverPolicy', plural: 'resolverpolicies', spec: ResolverPolicySpec, description: 'Which hosts the routes of a Backend of type DynamicResolver may reach. What it denies on a Gateway no route of it may allow, and its dns is theirs; all else is for those that do not say it themselves. Without one: public addresses, at ports 80 and 443.' },
  { kind: 'OIDCPolicy', plural: 'oidcpolicies', spec: OidcPolicySpec, description: 'What `oidc` of a SecurityPolicy cannot say of a login: where sessions are and how long they last, how the client shows who it is, what the app learns, logging out. On a Gateway it is for every route of it that has none of its own. Without `oidc` it changes nothing.' },
];

/** What JSON Schema cannot say in the structural form that Kubernetes wants, as CEL. policy/ says it again, in code, for files and for the controller. */
const rules = new Map<unknown, readonly Rule[]>([
  [Delay, [exactlyOne('fixedDelay', 'uniform', 'normal', 'pareto', 'quantiles', 'headerDelay')]],
  [ResponseDelay, [exactlyOne('fixedDelay', 'uniform', 'normal', 'pareto', 'quantiles')]],
  [Abort, [exactlyOne('httpStatus', 'grpcStatus', 'headerAbort', 'reset')]],
  [ResponseRateLimit, [exactlyOne('limitKbps', 'headerLimit')]],
  [ResponseFault, [atLeastOne('delay', 'replace')]],
  [Fault, [atLeastOne('delay', 'abort', 'response', 'responseRateLimit')]],
  [Schedule, [
    { rule: '!has(self.start) || !has(self.end) || self.start < self.end', message: 'end must be after start' },
    { rule: 'has(self.start) || !has(self.ramp)', message: 'ramp needs start' },
  ]],
  [RequestKey, [{ rule: '(self.type == \'SourceIP\') != has(self.name)', message: 'name must be given, but for type SourceIP' }]],
  [ConnectionLimit, [atLeastOne('value', 'rate')]],
  [PortPattern, [{ rule: '!has(self.endPort) || self.endPort >= self.port', message: 'endPort must not be less than port' }]],
  [AllowedAddress, [{ rule: 'self != \'Metadata\'', message: 'Metadata cannot be allowed as a whole: name the address of the one that is meant' }]],
  [DnsSettings, [{ rule: 'duration(self.minTtl) <= duration(self.maxTtl)', message: 'minTtl must not be more than maxTtl' }]],
  [ClientAuthenticationSettings, [
    { rule: 'has(self.privateKeyRef) == (has(self.method) && self.method == \'PrivateKeyJwt\')', message: 'privateKeyRef must be given with PrivateKeyJwt, and with nothing else' },
    { rule: '(!has(self.keyID) && !has(self.algorithm)) || (has(self.method) && self.method == \'PrivateKeyJwt\')', message: 'keyID and algorithm are for PrivateKeyJwt alone' },
  ]],
  [LoginSettings, [{ rule: '!has(self.parameters) || size(self.parameters) <= 32', message: 'parameters must have at most 32 entries' }]],
  ...kinds.map(({ spec }) => [spec, [{
    rule: 'has(self.targetRef) || (has(self.targetRefs) && size(self.targetRefs) > 0) || (has(self.targetSelectors) && size(self.targetSelectors) > 0)',
    message: 'must have one of targetRef, targetRefs, targetSelectors',
  }, {
    rule: '!has(self.targetRef) || !has(self.targetRefs) || (has(self.targetSelectors) && size(self.targetSelectors) > 0)',
    message: 'targetRef must not be given beside targetRefs',
  }, ...(spec === OidcPolicySpec ? [{ rule: '!has(self.logout) || !has(self.logout.backChannelPath) || (has(self.session) && has(self.session.store))', message: 'logout.backChannelPath needs session.store' }] : [])]] as const),
]);

/** Lists whose entries have names that differ. */
const named = new Set<unknown>([ConnectionLimits, ConcurrencyPolicy.shape.limits]);

function exactlyOne(...fields: readonly string[]): Rule {
  return { rule: `[${fields.map((field) => `has(self.${field})`).join(', ')}].exists_one(given, given)`, message: `must have exactly one of ${fields.join(', ')}` };
}
function atLeastOne(...fields: readonly string[]): Rule {
  return { rule: fields.map((field) => `has(self.${field})`).join(' || '), message: `must have at least one of ${fields.join(', ')}` };
}

function specSchema(spec: z.ZodType): Schema {
  const json = z.toJSONSchema(spec, {
    io: 'input', unrepresentable: 'any', reused: 'inline',
    override: ({ zodSchema, jsonSchema }) => {
      const own = rules.get(zodSchema);
      if (own !== undefined) jsonSchema['x-kubernetes-validations'] = own.map((each) => ({ ...each }));
      if (named.has(zodSchema)) Object.assign(jsonSchema, { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] });
    },
  });
  return structural(json as Schema, 'spec');
}

const KEPT = ['type', 'description', 'default', 'enum', 'format', 'pattern', 'minimum', 'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems', 'required',
  'x-kubernetes-validations', 'x-kubernetes-list-type', 'x-kubernetes-list-map-keys'];
/** Said by a structural schema without a word: what it does not name is pruned. */
const DROPPED = ['$schema', 'propertyNames', 'additionalProperties', 'anyOf', 'const', 'items', 'properties'];

/** https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema. Throws on what has no such form. */
function structural(schema: Schema, at: string): Schema {
  const one = 'anyOf' in schema ? { ...schema, ...united(schema['anyOf'] as readonly Schema[], at) } : schema;
  const unknown = Object.keys(one).filter((keyword) => !KEPT.includes(keyword) && !DROPPED.includes(keyword));
  if (unknown.length > 0 || typeof one['type'] !== 'string') throw new Error(`${at}: no structural form of ${JSON.stringify(schema)}`);
  const result: Record<string, unknown> = Object.fromEntries(KEPT.flatMap((keyword) => (keyword in one ? [[keyword, one[keyword]]] : [])));
  if ('const' in one) result['enum'] = [one['const']];
  if (one['type'] === 'integer') Object.assign(result, integer(one));
  if (one['type'] === 'array') result['items'] = structural(one['items'] as Schema, `${at}[]`);
  // A field without a form is one that we refuse in files; here it is not there.
  const properties = Object.entries((one['properties'] ?? {}) as Record<string, Schema>).filter(([, property]) => Object.keys(property).length > 0);
  if (properties.length > 0) result['properties'] = Object.fromEntries(properties.map(([name, property]) => [name, structural(property, `${at}.${name}`)]));
  else if (typeof one['additionalProperties'] === 'object') result['additionalProperties'] = structural(one['additionalProperties'] as Schema, `${at}{}`);
  return result;
}

/** Alternatives of one type: a few values, or an address range of either family. */
function united(forms: readonly Schema[], at: string): Schema {
  const types = [...new Set(forms.map(({ type }) => type))];
  if (types.length === 1 && forms.every((form) => 'const' in form)) return { type: types[0], enum: forms.map((form) => form['const']) };
  if (forms.every(({ format }) => format === 'cidrv4' || format === 'cidrv6')) return { type: 'string', format: 'cidr', maxLength: 43 };
  throw new Error(`${at}: no structural form of ${JSON.stringify(forms)}`);
}

/** JavaScript's own bounds say nothing to a user. */
function integer({ minimum, maximum }: Schema): Schema {
  const small = typeof minimum === 'number' && typeof maximum === 'number' && minimum >= -(2 ** 31) && maximum < 2 ** 31;
  return {
    format: small ? 'int32' : 'int64',
    minimum: minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum,
    maximum: maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum,
  };
}

const text = (maxLength: number, minLength = 0): Schema => ({ type: 'string', maxLength, ...(minLength === 0 ? {} : { minLength }) });

/** Gateway API's PolicyStatus. */
const status: Schema = {
  type: 'object', required: ['ancestors'],
  properties: {
    ancestors: {
      type: 'array', maxItems: 16,
      items: {
        type: 'object', required: ['ancestorRef', 'conditions', 'controllerName'],
        properties: {
          ancestorRef: {
            type: 'object', required: ['name'],
            properties: {
              group: { ...text(253), default: 'gateway.networking.k8s.io' }, kind: { ...text(63, 1), default: 'Gateway' }, namespace: text(63, 1), name: text(253, 1),
              sectionName: text(253, 1), port: { type: 'integer', format: 'int32', minimum: 1, maximum: 65535 },
            },
          },
          controllerName: text(253, 1),
          conditions: {
            type: 'array', minItems: 1, maxItems: 8, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'],
            items: {
              type: 'object', required: ['lastTransitionTime', 'message', 'reason', 'status', 'type'],
              properties: {
                type: text(316), status: { type: 'string', enum: ['True', 'False', 'Unknown'] }, reason: text(1024, 1), message: text(32768),
                observedGeneration: { type: 'integer', format: 'int64', minimum: 0 }, lastTransitionTime: { type: 'string', format: 'date-time' },
              },
            },
          },
        },
      },
    },
  },
};

/** File name → YAML. */
export function crds(): Record<string, string> {
  return Object.fromEntries(kinds.map(({ kind, plural, spec, description }) => [`${GATEWRIGHT}_${plural}.yaml`, `# Generated by scripts/generate-crds.ts from controller-glue/kinds and policy/.\n${stringify(withoutUndefined({
    apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${GATEWRIGHT}`, labels: { 'gateway.networking.k8s.io/policy': 'Inherited' } },
    spec: {
      group: GATEWRIGHT, scope: 'Namespaced',
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), categories: ['gatewright'] },
      versions: [{
        name: 'v1alpha1', served: true, storage: true, subresources: { status: {} },
        additionalPrinterColumns: [
          { name: 'Accepted', type: 'string', jsonPath: '.status.ancestors[0].conditions[?(@.type=="Accepted")].status' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        schema: { openAPIV3Schema: {
          description, type: 'object', required: ['spec'],
          properties: { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { type: 'object' }, spec: specSchema(spec), status },
        } },
      }],
    },
  }), { lineWidth: 0, aliasDuplicateObjects: false })}`]));
}

function withoutUndefined(value: object): unknown { return JSON.parse(JSON.stringify(value)); }

if (import.meta.main) {
  const folder = join(import.meta.dirname, '../deploy/crds');
  mkdirSync(folder, { recursive: true });
  for (const [name, yaml] of Object.entries(crds())) writeFileSync(join(folder, name), yaml);
}
