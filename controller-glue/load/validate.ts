// A schema over a value: every issue in words, and what is left of the value when the parts at fault are taken out.
import type { z } from 'zod';
import { NOT_SUPPORTED } from '../kinds/not-supported.ts';
import { nearest } from './nearest.ts';
import type { Path } from './path-text.ts';
import { prune } from './prune.ts';

export interface Issue {
  readonly path: Path;
  readonly message: string;
  readonly hint?: string;
}

/** The message of a field that the schema does not have. */
export const UNKNOWN_FIELD = 'unknown field';

export interface Validated<T> {
  /** Undefined when nothing of it can be kept. */
  readonly value: T | undefined;
  readonly issues: readonly Issue[];
}

const MAX_ROUNDS = 12;     // each takes out everything found at fault; deeper chains of consequences are given up
const MAX_ISSUES = 100;    // a mangled file says enough with these

export function validate<T>(schema: z.ZodType<T>, input: unknown): Validated<T> {
  let issues: Issue[] = [];
  let value = input;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const result = schema.safeParse(value, { reportInput: true });
    if (result.success) return { value: result.data, issues };
    const found = result.error.issues.flatMap((issue) => explain(issue, schema));
    // What fails only because something in it was taken out is not the user's mistake.
    issues = issues.concat(found.filter(({ path }) => round === 0 || !issues.some((earlier) => related(earlier.path, path)))).slice(0, MAX_ISSUES);
    const pruned = prune(value, found.map(({ path }) => path));
    if (pruned === undefined) return { value: undefined, issues };
    value = pruned.value;
  }
  return { value: undefined, issues };
}

function related(a: Path, b: Path): boolean {
  const [shorter, longer] = a.length < b.length ? [a, b] : [b, a];
  return shorter.every((key, i) => key === longer[i]);
}

function explain(issue: z.core.$ZodIssue, schema: z.ZodType): Issue[] {
  const path = issue.path.filter((key): key is string | number => typeof key !== 'symbol');
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => {
        const known = nearest(key, fieldsAt(schema, path));
        return { path: [...path, key], message: UNKNOWN_FIELD, ...(known === undefined ? {} : { hint: `did you mean ${known}?` }) };
      });
    case 'invalid_type':
      return [{ path, message: issue.input === undefined ? `is required: ${article(issue.expected)}` : `must be ${article(issue.expected)}, not ${nameOf(issue.input)}` }];
    case 'invalid_value':
      return [{ path, message: `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')}` }];
    case 'too_small':
    case 'too_big':
      return [{ path, message: bounds(issue) }];
    case 'invalid_union':
      return [{ path, message: issue.input === undefined ? 'is required' : alternatives(issue.errors) ?? `must not be ${nameOf(issue.input)}` }];
    case 'custom': {
      const hint = issue.params?.['hint'];
      return [{ path, message: issue.message, ...(issue.params?.[NOT_SUPPORTED] === true && typeof hint === 'string' ? { hint } : {}) }];
    }
    case 'invalid_format':
      return [{ path, message: issue.message.startsWith('must') ? issue.message : issue.format in FORMATS ? `must be ${FORMATS[issue.format]}` : 'is not valid' }];
    default:
      return [{ path, message: issue.message.startsWith('must') ? issue.message : 'is not valid' }];
  }
}

/** What each form of a union wants, where that is a word or a format. */
function alternatives(forms: readonly (readonly z.core.$ZodIssue[])[]): string | undefined {
  const wanted = forms.map(([only, ...more]) => {
    if (only === undefined || more.length > 0 || only.path.length > 0) return undefined;
    return only.code === 'invalid_value' ? only.values.join(', ') : only.code === 'invalid_format' ? FORMATS[only.format] : undefined;
  });
  return wanted.every((each) => each !== undefined) ? `must be ${wanted.join(' or ')}` : undefined;
}

/** Formats that schemas name, each with an example. */
const FORMATS: Readonly<Record<string, string>> = {
  cidrv4: 'a range such as 192.0.2.0/24', cidrv6: '2001:db8::/32', datetime: 'a time such as 2026-01-31T12:00:00Z',
};

function bounds(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const limit = issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
  if (issue.origin === 'string') return `must have ${limit} characters`;
  if (issue.origin === 'array') return `must have ${limit} entries`;
  return `must be ${limit}`;
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'a string', int: 'a whole number', number: 'a number', boolean: 'true or false', object: 'a mapping', record: 'a mapping', array: 'a list', null: 'null',
};
function article(expected: string): string { return WORDS[expected] ?? `of type ${expected}`; }

function nameOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return typeof value === 'number' ? (Number.isInteger(value) ? 'a number' : 'a fraction') : typeof value === 'boolean' ? 'true or false' : 'a string';
}

/** The fields that a schema knows at a path: where "did you mean" looks. */
function fieldsAt(schema: z.ZodType, path: Path): readonly string[] {
  let at: unknown = schema;
  for (let i = 0; i <= path.length;) {
    const def = definition(at);
    if (def === undefined) return [];
    if (def['innerType'] !== undefined) { at = def['innerType']; continue; }
    if (def['type'] === 'pipe') { at = def['in']; continue; }
    if (i === path.length) return def['type'] === 'object' ? Object.keys(def['shape'] as object) : [];
    const key = path[i++];
    at = def['type'] === 'object' ? (def['shape'] as Record<string, unknown>)[String(key)] : def['element'] ?? def['valueType'];
  }
  return [];
}

function definition(schema: unknown): Record<string, unknown> | undefined {
  return (schema as { def?: Record<string, unknown> } | undefined)?.def;
}
