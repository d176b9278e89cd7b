// Tables for the parts that are functions of little: patterns, durations, hosts, names, canonical JSON.
import { describe, expect, test } from 'vitest';
import { covers, intersection } from '../../controller-glue/hostname.ts';
import { chunks } from '../../controller-glue/load/chunks.ts';
import { nearest } from '../../controller-glue/load/nearest.ts';
import { selects } from '../../controller-glue/lookup.ts';
import { regexProblem } from '../../controller-glue/regex-problem.ts';
import { canonicalJson } from '../../policy/canonical-json.ts';
import { parseDuration } from '../../policy/duration.ts';
import { refusedPatterns, takenPatterns } from './patterns.ts';

describe('patterns', () => {
  test.each(takenPatterns)('takes %s', (pattern) => expect(regexProblem(pattern)).toBeNull());
  test.each(refusedPatterns)('refuses %s', (pattern, message) => expect(regexProblem(pattern)).toMatch(message));
});

test.each([
  ['500ms', 500], ['10s', 10_000], ['1h30m', 5_400_000], ['0s', 0], ['1m1s1ms', 61_001],
  ['1.5s', null], ['100us', null], ['', null], ['10', null], ['-1s', null], ['100000s', null], ['1s ', null], ['1d', null],
])('duration %s is %s', (text, is) => expect(parseDuration(text)).toBe(is));

test.each([
  ['', '', ''], ['', 'a.test', 'a.test'], ['*.test', 'a.test', 'a.test'], ['*.test', 'a.b.test', 'a.b.test'], ['*.test', 'test', null],
  ['*.b.test', '*.test', '*.b.test'], ['*.test', '*.test', '*.test'], ['a.test', 'b.test', null], ['*.a.test', '*.b.test', null], ['*.test', '', '*.test'],
  ['*.test', 'xtest', null],
])('hosts of %j and %j: %j', (a, b, is) => {
  expect(intersection(a, b)).toBe(is);
  expect(intersection(b, a)).toBe(is);
  if (is !== null) expect(covers(a, is) && covers(b, is)).toBe(true);
});

test.each([
  ['provider', ['providers', 'optional'], 'providers'], ['Name', ['name', 'namespace'], 'name'], ['xyz', ['name'], undefined], ['hostname', ['hostnames', 'rules'], 'hostnames'],
])('%s was meant to be one of %j: %s', (word, among, is) => expect(nearest(word, among)).toBe(is));

test.each([
  [{}, true], [{ matchLabels: { a: '1' } }, true], [{ matchLabels: { a: '2' } }, false], [{ matchLabels: { constructor: 'x' } }, false],
  [{ matchExpressions: [{ key: 'a', operator: 'In' as const, values: ['0', '1'] }] }, true], [{ matchExpressions: [{ key: 'b', operator: 'In' as const, values: ['1'] }] }, false],
  [{ matchExpressions: [{ key: 'b', operator: 'NotIn' as const, values: ['1'] }] }, true], [{ matchExpressions: [{ key: 'a', operator: 'DoesNotExist' as const }] }, false],
  [{ matchExpressions: [{ key: 'toString', operator: 'Exists' as const }] }, false],
])('selector %j on {a: "1"}: %s', (selector, is) => expect(selects(selector, { a: '1' })).toBe(is));

test('canonical JSON has one spelling', () => {
  expect(canonicalJson({ b: [1, { d: 'ü\n', c: undefined }], a: null })).toBe('{"a":null,"b":[1,{"d":"ü\\n"}]}');
});

test.each([
  ['a: 1\n---\nb: 2\n', ['a: 1\n', '---\nb: 2\n'], [0, 1]],
  ['---\na: 1\n--- # c\nb: |\n  --- no\n ---\n', ['---\na: 1\n', '--- # c\nb: |\n  --- no\n ---\n'], [0, 2]],
  ['a: 1\r\n---\r\nb: 2', ['a: 1\r\n', '---\r\nb: 2'], [0, 1]],
  ['---a: 1\n----\n', ['---a: 1\n----\n'], [0]],
  ['%YAML 1.2\n---\na: 1\n---', ['%YAML 1.2\n---\na: 1\n', '---'], [0, 3]],
])('chunks of %j', (text, parts, lines) => {
  expect(chunks(text).map((chunk) => chunk.text)).toEqual(parts);
  expect(chunks(text).map((chunk) => chunk.line)).toEqual(lines);
  expect(chunks(text).map((chunk) => chunk.text).join('')).toBe(text);
});
