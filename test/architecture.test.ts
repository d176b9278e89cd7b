// The style guide as a program: who may import whom, how long a file may be, what it may not be called.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const sources = ['cli', 'policy', 'controller-glue', 'extproc', 'filters', 'proxy-wasm-as', 'examples', 'bench', 'scripts', 'test']
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`))
  .filter((file) => /\.(ts|mjs)$/.test(file) && !file.includes('node_modules') && !file.includes('/keys/'));

/** Files that a file imports, from the root; packages by their name. */
function imports(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/^(?:import|export)\b[^'"]*?from ['"]([^'"]+)['"]|import\(['"]([^'"]+)['"]\)/gms)].map(([, from, dynamic]) => {
    const name = from ?? dynamic ?? '';
    return name.startsWith('.') ? normalize(join(dirname(file), name)) : name;
  });
}
const area = (file: string): string => file.startsWith('proxy-wasm-as/') ? file.split('/').slice(0, 2).join('/') : file.split('/')[0] ?? '';

/** Area → areas of ours that it may import. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'policy': [],
  'proxy-wasm-as/assembly': [],
  'proxy-wasm-as/vm': [],
  'filters': ['proxy-wasm-as/assembly'],
  'controller-glue': ['policy', 'proto'],
  'extproc': ['policy', 'proto'],
  'cli': ['policy', 'controller-glue', 'extproc'],
  'examples': ['cli'],
  'scripts': ['cli', 'policy', 'controller-glue'],
};

describe('imports', () => {
  test.each(Object.entries(allowed))('%s imports only what it may', (from, may) => {
    const files = sources.filter((file) => area(file) === from);
    expect(files.length).toBeGreaterThan(0);
    const ours = new Set([...Object.keys(allowed), 'proto', 'test', 'bench']);
    const wrong = files.flatMap((file) => imports(file).filter((to) => ours.has(area(to)) && area(to) !== from && !may.includes(area(to))).map((to) => `${file} → ${to}`));
    expect(wrong).toEqual([]);
  });

  test('filters never import each other', () => {
    const wrong = sources.filter((file) => file.startsWith('filters/')).flatMap((file) => imports(file).filter((to) => to.startsWith('filters/') && to.split('/')[1] !== file.split('/')[1]).map((to) => `${file} → ${to}`));
    expect(wrong).toEqual([]);
  });

  test('only controller-glue/xds knows proto, and it does not know resources', () => {
    const glue = sources.filter((file) => file.startsWith('controller-glue/'));
    expect(glue.filter((file) => !file.startsWith('controller-glue/xds/') && imports(file).some((to) => to.startsWith('proto/')))).toEqual([]);
    expect(glue.filter((file) => file.startsWith('controller-glue/xds/') && imports(file).some((to) => /^controller-glue\/(resources|load|steps|kinds)/.test(to)))).toEqual([]);
  });

  test('of extproc, only its test host knows proto: the service reads the wire by hand, and a server need not load the schema', () => {
    expect(sources.filter((file) => file.startsWith('extproc/') && imports(file).some((to) => to.startsWith('proto/')))).toEqual(['extproc/test-host.ts']);
  });

  test('of extproc, what is a library knows no processor of ours', () => {
    const library = sources.filter((file) => /^extproc\/[^/]+$/.test(file));
    expect(library.flatMap((file) => imports(file).filter((to) => /^extproc\/[^/]+\//.test(to)).map((to) => `${file} → ${to}`))).toEqual([]);
  });

  test('policy imports nothing but zod', () => {
    expect(new Set(sources.filter((file) => file.startsWith('policy/')).flatMap(imports).filter((to) => !to.startsWith('policy/')))).toEqual(new Set(['zod']));
  });

  test('nothing imports test/ but tests and benches', () => {
    expect(sources.filter((file) => !/^(test|bench)\//.test(file) && imports(file).some((to) => to.startsWith('test/')))).toEqual([]);
  });
});

describe('files', () => {
  test('fit in one sitting', () => {
    const long = sources.map((file) => [file, readFileSync(join(root, file), 'utf8').split('\n').length] as const).filter(([, lines]) => lines > 400);
    expect(long).toEqual([]);
  });

  test('are named after the one thing they hold', () => {
    expect(sources.filter((file) => /(^|\/)(utils?|helpers?|common|shared|misc|index)\.(ts|mjs)$|(manager|service|factory|impl)\.ts$/i.test(file) && !/kinds\/service\.ts$/.test(file))).toEqual([]);
  });

  test('hold no leftovers, and nothing of one machine', () => {
    const words = [/\bTO[D]O\b/, /\bFIX[M]E\b/, /\bX[X]X\b/, /\.only\(/, /\.skip\(/, /\.todo\(/, /\/wor[k]\/main/, /\/ro[o]t\//, /registry\.npm[j]s/, /\/tmp\/env[o]y\b/];
    const found = sources.flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      return words.filter((word) => word.test(text)).map((word) => `${file}: ${word}`);
    });
    expect(found).toEqual([]);
  });

  test('no clock, dice or network outside the edges', () => {
    const pure = sources.filter((file) => /^(policy|controller-glue|extproc)\//.test(file) && !/^(controller-glue\/(sources|xds\/ads)|extproc\/world)/.test(file));
    expect(pure.filter((file) => /\b(Date\.now|Math\.random|fetch)\(/.test(readFileSync(join(root, file), 'utf8')))).toEqual([]);
  });
});

describe('prose', () => {
  test('names only files that exist', () => {
    const missing = ['README.md', 'DESIGN.md', 'CHANGELOG.md', 'proxy-wasm-as/README.md', 'extproc/README.md'].flatMap((document) => {
      const text = readFileSync(join(root, document), 'utf8');
      const named = [...text.matchAll(/`((?:cli|policy|controller-glue|extproc|filters|proxy-wasm-as|examples|bench|scripts|test)\/[\w./-]+\.(?:ts|mjs|yaml|md))`/g)].map(([, path]) => path ?? '');
      return named.filter((path) => !existsSync(join(root, path))).map((path) => `${document}: ${path}`);
    });
    expect(missing).toEqual([]);
  });
});
