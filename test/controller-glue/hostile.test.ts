// Text that was made to hurt: load answers with problems, never with an exception, and never without end.
import { describe, expect, test } from 'vitest';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { load } from '../../controller-glue/load.ts';
import { loadFile } from '../../controller-glue/load/load-file.ts';
import { readObject } from '../../controller-glue/load/read-object.ts';
import { yamlDocuments } from '../../controller-glue/load/yaml-documents.ts';
import { translate } from '../../controller-glue/translate.ts';
import { NO_CODE } from '../../controller-glue/xds/extensions.ts';
import { buildSnapshot } from '../../controller-glue/xds/snapshot.ts';
import { paths, replaced } from './mutations.ts';

const SERVICE = 'apiVersion: v1\nkind: Service\nmetadata: {name: a}\n';
const laughs = ['a: &a [x,x,x,x,x,x,x,x,x]', ...['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`)].join('\n');

/** Each ends in a fatal problem. */
const bombs: readonly { readonly name: string; readonly text: string }[] = [
  { name: 'a billion laughs', text: `${SERVICE}spec:\n${laughs.replace(/^/gm, '  ')}` },
  { name: 'a bomb of merge keys', text: `${SERVICE}x0: &x0 {a: 1, b: 2}\n${Array.from({ length: 40 }, (_, i) => `x${i + 1}: &x${i + 1} {p: *x${i}, q: *x${i}}`).join('\n')}` },
  { name: '100,000 brackets', text: `${SERVICE}spec: ${'['.repeat(100_000)}` },
  { name: '100,000 braces', text: `${SERVICE}spec: ${'{a: '.repeat(100_000)}` },
  { name: '50,000 dashes', text: `- ${'- '.repeat(50_000)}a` },
  { name: 'deep block nesting', text: `${SERVICE}${Array.from({ length: 3_000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')}` },
  { name: 'five million characters in one document', text: `${SERVICE}spec: "${'x'.repeat(5_000_000)}"` },
  { name: 'a quarter of a million keys', text: `${SERVICE}spec:\n${Array.from({ length: 250_000 }, (_, i) => `  k${i}: 1`).join('\n')}` },
  { name: 'an alias within itself', text: '&a [*a]' },
  { name: 'a key that is a mapping', text: '? {a: b}\n: c' },
  { name: 'not a number', text: `${SERVICE}spec: .nan` },
  { name: 'infinity', text: `${SERVICE}spec: 1e999` },
  { name: 'directives without an end', text: '%YAML 1.2\nkind: Service\n' },
  { name: 'an open quote', text: `${SERVICE}x: "abc` },
  { name: 'bytes that are no YAML', text: '\u0001\u0002@`%' },
];

const corpus = readdirSync(join(import.meta.dirname, '../golden')).map((name) => readFileSync(join(import.meta.dirname, '../golden', name, 'in.yaml'), 'utf8'));

/** All the way through: whatever load lets pass, the rest must bear. */
function run(text: string) {
  const loaded = load([{ path: 'a.yaml', text }]);
  for (const gateway of translate(loaded.resources).ir.gateways) buildSnapshot(gateway, { wasm: NO_CODE, caFile: '/ca.pem', address: '127.0.0.1' });
  return loaded;
}

describe('bombs', () => {
  test.each(bombs)('$name', ({ text }) => {
    const { fatal, problems } = run(text);
    expect(fatal).toBe(true);
    expect(problems.length).toBeGreaterThan(0);
  });

  test('long names and lists in documents of ordinary size', () => {
    const text = `apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec:\n  rules:\n${'  - matches: [{path: {type: RegularExpression, value: "(a*)*(b*)*(c{1000})"}}]\n'.repeat(300)}`;
    expect(run(text).problems.map(({ path }) => path)).toContain('spec.rules');
  });
});

describe('documents cut short', () => {
  test('at every 31st character', () => {
    for (const text of corpus.slice(0, 6)) for (let end = 0; end < text.length; end += 31) run(text.slice(0, end));
  }, 120_000);
});

/** What a field may become. */
const VALUES: readonly unknown[] = [null, 7, -1, 1e15, 0.5, true, '', 'x', 'x'.repeat(300), '../../etc', '*', '%', [], {}, [null], [[]], [{}], { a: 1 }, { constructor: 1 }, ['a', 'a']];

describe('wrong types everywhere', () => {
  const documents = corpus.flatMap((text) => yamlDocuments(text).documents.map(({ value }) => value)).concat(corpus.flatMap((text) => text.split(/^---\n/m)).flatMap((text) => yamlDocuments(text).documents.map(({ value }) => value)));
  const unique = [...new Map(documents.map((value) => [JSON.stringify(value), value])).values()];
  const context = corpus.find((text) => text.includes('name: jwt-claim-authz')) ?? '';

  test('every field of every document, by every value: a problem or a result', () => {
    let problems = 0;
    for (const document of unique) {
      for (const path of paths(document)) {
        for (const value of VALUES) {
          const { readings, problems: found, fatal } = readObject(replaced(document, path, value));
          problems += found.length;
          if (fatal) expect(found.length).toBeGreaterThan(0);
          expect(readings.length + found.length).toBeGreaterThanOrEqual(0);
        }
      }
    }
    expect(problems).toBeGreaterThan(1_000);
  }, 240_000);

  test('and through to xDS, beside documents that are fine', () => {
    let n = 0;
    for (const document of unique) {
      for (const path of paths(document)) {
        if (n++ % 3 !== 0) continue;
        run(`${context}\n---\n${stringify(replaced(document, path, VALUES[n % VALUES.length]), { aliasDuplicateObjects: false })}`);
      }
    }
    expect(n).toBeGreaterThan(300);
  }, 240_000);
});

test('what stands in the file before a bomb is still read', () => {
  const { objects, fatal } = loadFile('a.yaml', `${SERVICE}spec: {}\n---\nx: [\n---\n${SERVICE.replace('name: a', 'name: b')}spec: {}`);
  expect(objects.map(({ resource }) => resource.metadata.name)).toEqual(['a', 'b']);
  expect(fatal).toBe(true);
});
