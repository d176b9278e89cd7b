// One document's value → the resource it is. Knows nothing of files: objects from Kubernetes come the same way.
import { harmlessKinds, kinds, STRICT_GROUPS } from '../kinds.ts';
import type { Kind } from '../kinds.ts';
import { ObjectMeta } from '../kinds/names.ts';
import type { ObjectRef } from '../ir.ts';
import type { Metadata, Resources } from '../resources.ts';
import { nearest } from './nearest.ts';
import { pathText } from './path-text.ts';
import type { Path } from './path-text.ts';
import { UNKNOWN_FIELD, validate } from './validate.ts';
import type { Issue } from './validate.ts';
import { yamlDocuments } from './yaml-documents.ts';

export interface Reading {
  readonly list: keyof Resources;
  readonly ref: ObjectRef;
  readonly apiVersion: string;
  readonly metadata: Metadata;
  readonly spec: unknown;
  /** Where in the document the object stands: [] or, in a List, ['items', n]. */
  readonly at: Path;
}

export interface ObjectProblem {
  readonly path: Path;
  readonly message: string;
  readonly hint?: string;
  readonly severity: 'error' | 'warning';
  readonly object?: ObjectRef;
}

export interface Readings {
  readonly readings: readonly Reading[];
  readonly problems: readonly ObjectProblem[];
  /** Something could not be kept in any form, not even as an object that closes what it covers: the file must not replace its last good self. */
  readonly fatal: boolean;
}

const NOTHING: Readings = { readings: [], problems: [], fatal: false };

export function readObject(value: unknown, at: Path = []): Readings {
  if (value === null || value === undefined) return NOTHING;
  if (typeof value !== 'object' || Array.isArray(value)) return fatal(at, 'must be a mapping with apiVersion and kind');
  const { apiVersion, kind, metadata, ...body } = value as Record<string, unknown>;
  if (typeof apiVersion !== 'string' || apiVersion === '') return fatal([...at, 'apiVersion'], 'is required: a string such as v1 or gateway.networking.k8s.io/v1');
  if (typeof kind !== 'string' || kind === '') return fatal([...at, 'kind'], 'is required: a string such as HTTPRoute');
  const slash = apiVersion.indexOf('/');
  const group = slash === -1 ? '' : apiVersion.slice(0, slash);
  const version = apiVersion.slice(slash + 1);

  if (kind.endsWith('List') && Array.isArray(body['items'])) {
    return together(body['items'].map((item, i) => readObject(listItem(item, apiVersion, kind), [...at, 'items', i])));
  }
  const known = kinds.find((each) => each.group === group && each.kind === kind);
  if (known === undefined) return unknownKind(group, kind, at);
  if (!known.versions.includes(version)) {
    const problem = { path: [...at, 'apiVersion'], message: `${kind} has no version ${version} here`, hint: `use ${apiVersionOf(known)}` };
    return STRICT_GROUPS.includes(group) ? { readings: [], problems: [{ ...problem, severity: 'error' }], fatal: true }
      : { readings: [], problems: [{ ...problem, severity: 'warning' }], fatal: false };
  }
  return known.kind === 'EnvoyGateway' && metadata === undefined
    ? readKnown(known, apiVersion, { name: 'envoy-gateway' }, body, at)
    : readKnown(known, apiVersion, metadata, body, at);
}

function readKnown(known: Kind, apiVersion: string, metadata: unknown, body: Record<string, unknown>, at: Path): Readings {
  const meta = validate(ObjectMeta, metadata);
  if (meta.value === undefined) {
    return { readings: [], problems: meta.issues.map((issue) => asProblem(issue, [...at, 'metadata'], known)), fatal: true };
  }
  const namespace = known.scope === 'cluster' ? '' : meta.value.namespace ?? 'default';
  const ref: ObjectRef = { group: known.group, kind: known.kind, namespace, name: meta.value.name };
  const created = Date.parse(meta.value.creationTimestamp ?? '');
  const kept: Metadata = {
    name: ref.name, namespace, labels: meta.value.labels ?? {}, annotations: meta.value.annotations ?? {},
    ...(meta.value.generation === undefined ? {} : { generation: meta.value.generation }),
    ...(Number.isNaN(created) ? {} : { created }),
  };
  const checked = validate(known.body, body);
  const problems: ObjectProblem[] = [
    ...meta.issues.map((issue) => asProblem(issue, [...at, 'metadata'], known, ref)),
    ...checked.issues.map((issue) => asProblem(issue, at, known, ref)),
  ];
  if (known.unsupported !== undefined) problems.push({ path: [...at, 'kind'], message: known.unsupported, severity: 'error', object: ref });
  if (checked.value === undefined) return { readings: [], problems, fatal: true };
  const spec = known.hasSpec ? (checked.value as { spec: unknown }).spec ?? {} : checked.value;
  const reading: Reading = { list: known.list, ref, apiVersion, metadata: kept, spec, at };
  const own: Readings = { readings: [reading], problems, fatal: problems.some((problem) => losesPurpose(problem, at, known)) };
  return known.kind === 'ConfigMap' ? together([own, configurationInside(spec as { data: Record<string, string> }, at, ref)]) : own;
}

/** The fields that say what an object is for. */
const PURPOSE = /^spec\.((targetRefs?|targetSelectors|parentRefs|hostnames)\b|rules(\[\d+\])?(\.matches\b|$))/;
/** Beside them an unknown field may be one of them, misspelt: `hostname`, `matchs`. */
const BESIDE = /^spec(\.rules\[\d+\])?\.[^.[]+$/;

/** What an object is for was at fault and is left out: what it should have covered would be open, or taken by another route, and nobody could tell. */
function losesPurpose({ path, message, severity }: ObjectProblem, at: Path, { list }: Kind): boolean {
  const field = pathText(path.slice(at.length));
  return severity === 'error' && list !== 'gateways' && (PURPOSE.test(field) || (list === 'httpRoutes' && message === UNKNOWN_FIELD && BESIDE.test(field)));
}

/** EG keeps its own configuration in a ConfigMap, under this key. */
const CONFIGURATION_KEY = 'envoy-gateway.yaml';

function configurationInside({ data }: { data: Readonly<Record<string, string>> }, at: Path, { name, namespace }: ObjectRef): Readings {
  const text = data[CONFIGURATION_KEY];
  if (text === undefined) return NOTHING;
  const inside = [...at, 'data', CONFIGURATION_KEY];
  const { documents, problems } = yamlDocuments(text);
  const syntax: Readings = {
    readings: [], fatal: problems.length > 0,
    problems: problems.map(({ line, message }) => ({ path: inside, message: `line ${line + 1}: ${message}`, severity: 'error' })),
  };
  return together([syntax, ...documents.map(({ value }) => readObject(named(value, name, namespace), inside))]);
}

/** The configuration has no metadata of its own: it takes the ConfigMap's. */
function named(value: unknown, name: string, namespace: string): unknown {
  return typeof value === 'object' && value !== null && !('metadata' in value) ? { ...value, metadata: { name, namespace } } : value;
}

function unknownKind(group: string, kind: string, at: Path): Readings {
  const harmless = Object.hasOwn(harmlessKinds, group) ? harmlessKinds[group] ?? [] : [];
  if (harmless.includes(kind)) return NOTHING;
  const inGroup = [...kinds.filter((each) => each.group === group).map((each) => each.kind), ...harmless];
  const close = nearest(kind, inGroup);
  const elsewhere = kinds.find((each) => each.kind === kind);
  const hint = elsewhere !== undefined ? `did you mean apiVersion ${apiVersionOf(elsewhere)}?` : close === undefined ? undefined : `did you mean ${close}?`;
  // A policy under a misspelt group would be skipped without effect: as bad as an unknown kind of our own.
  const strict = STRICT_GROUPS.includes(group) || (elsewhere !== undefined && STRICT_GROUPS.includes(elsewhere.group));
  const problem: ObjectProblem = {
    path: [...at, elsewhere !== undefined ? 'apiVersion' : 'kind'], severity: strict ? 'error' : 'warning',
    message: `unknown kind ${kind} in ${group === '' ? 'the core group' : group}${strict ? '' : '; skipped'}`, ...(hint === undefined ? {} : { hint }),
  };
  return { readings: [], problems: [problem], fatal: strict };
}

function asProblem(issue: Issue, at: Path, known: Kind, object?: ObjectRef): ObjectProblem {
  return {
    path: [...at, ...issue.path], message: issue.message,
    severity: issue.message === UNKNOWN_FIELD && known.unknownFields === 'warning' ? 'warning' : 'error',
    ...(issue.hint === undefined ? {} : { hint: issue.hint }), ...(object === undefined ? {} : { object }),
  };
}

/** Items of a typed list (HTTPRouteList) may leave out what the list says. */
function listItem(item: unknown, apiVersion: string, kind: string): unknown {
  if (kind === 'List' || typeof item !== 'object' || item === null) return item;
  return { apiVersion, kind: kind.slice(0, -4), ...item };
}

export function together(all: readonly Readings[]): Readings {
  return { readings: all.flatMap(({ readings }) => readings), problems: all.flatMap(({ problems }) => problems), fatal: all.some((each) => each.fatal) };
}

function fatal(path: Path, message: string): Readings { return { readings: [], problems: [{ path, message, severity: 'error' }], fatal: true }; }
function apiVersionOf({ group, versions }: Kind): string { return group === '' ? versions[0] ?? '' : `${group}/${versions[0] ?? ''}`; }
