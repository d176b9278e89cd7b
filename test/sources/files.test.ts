// Files as users and programs write them: replaced, edited in place, truncated and slowly rewritten, broken, deleted.
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, openSync, renameSync, rmSync, symlinkSync, writeFileSync, writeSync, closeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FileSource, type Sourced } from '../../controller-glue/sources/files.ts';

const route = (name: string): string => `apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: ${name}\nspec:\n  parentRefs:\n    - name: eg\n`;
const policy = `apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\nmetadata:\n  name: p\nspec:\n  targetRefs:\n    - group: gateway.networking.k8s.io\n      kind: HTTPRoute\n      name: foo\n  authorization:\n    defaultAction: Deny\n`;

let folder: string, source: FileSource | undefined, seen: Sourced[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gw-files-'));
  seen = [];
});
afterEach(async () => {
  await source?.close();
  rmSync(folder, { recursive: true });
});
const file = (name: string): string => join(folder, name);
const start = async (...paths: string[]): Promise<FileSource> => {
  source = new FileSource(paths.length > 0 ? paths : [folder], (sourced) => seen.push(sourced));
  await source.watch();
  return source;
};
const names = ({ resources }: Sourced): string[] => [...resources.httpRoutes, ...resources.securityPolicies].map(({ ref }) => ref.name).sort();
const until = async (condition: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 300; tries++) {
    if (condition()) return;
    await sleep(20);
  }
  expect(seen.map(names)).toBe('something else');
};
const last = (): string[] => names(seen.at(-1) ?? { resources: { httpRoutes: [], securityPolicies: [] } as never, problems: [] });

test('reads folders recursively, in order, without hidden files and other endings', async () => {
  mkdirSync(file('sub/.git'), { recursive: true });
  writeFileSync(file('b.yaml'), route('b'));
  writeFileSync(file('sub/a.yml'), route('a'));
  writeFileSync(file('.hidden.yaml'), route('hidden'));
  writeFileSync(file('sub/.git/x.yaml'), route('git'));
  writeFileSync(file('notes.txt'), 'not: [yaml');
  expect(names((await start()).initial)).toEqual(['a', 'b']);
});

test('sees a new file, a file in a new folder, and a changed one', async () => {
  writeFileSync(file('a.yaml'), route('a'));
  await start();
  writeFileSync(file('b.yaml'), route('b'));
  await until(() => last().join() === 'a,b');
  mkdirSync(file('deep/er'), { recursive: true });
  writeFileSync(file('deep/er/c.yaml'), route('c'));
  await until(() => last().join() === 'a,b,c');
  appendFileSync(file('a.yaml'), `---\n${route('d')}`);
  await until(() => last().join() === 'a,b,c,d');
});

test('a file named by itself may be replaced, or go and come again', async () => {
  writeFileSync(file('a.yaml'), route('a'));
  await start(file('a.yaml'));
  writeFileSync(file('new'), `${route('a')}---\n${route('b')}`);
  renameSync(file('new'), file('a.yaml'));
  await until(() => last().join() === 'a,b');
  rmSync(file('a.yaml'));
  await until(() => last().join() === '');
  writeFileSync(file('a.yaml'), route('c'));
  await until(() => last().join() === 'c');
  expect(seen.flatMap(names)).not.toContain('hidden');
});

test('an unfinished file takes nothing away, however long its writer takes', async () => {
  const text = `${route('foo')}---\n${policy}---\n${route('bar')}`;
  writeFileSync(file('all.yaml'), text);
  await start();
  const descriptor = openSync(file('all.yaml'), 'w');                      // truncates
  for (const line of text.split(/(?<=\n)/)) {
    writeSync(descriptor, line);
    await sleep(100);                                                       // 2.5 s in all
  }
  closeSync(descriptor);
  await sleep(1_300);
  for (const state of seen) expect(names(state)).toEqual(['bar', 'foo', 'p']);
  for (const { resources } of seen) expect(resources.securityPolicies[0]?.spec).toMatchObject({ authorization: { defaultAction: 'Deny' } });
});

test('a change that takes something away is believed once the file is quiet', async () => {
  writeFileSync(file('all.yaml'), `${route('foo')}---\n${policy}`);
  await start();
  const before = Date.now();
  writeFileSync(file('all.yaml'), route('foo'));
  await until(() => last().join() === 'foo');
  expect(Date.now() - before).toBeGreaterThanOrEqual(990);
});

test('a field that is taken out is out of force', async () => {
  writeFileSync(file('p.yaml'), `${policy}  jwt:\n    providers: []\n`);
  await start();
  writeFileSync(file('p.yaml'), policy);
  await until(() => seen.length > 0 && !('jwt' in (seen.at(-1)?.resources.securityPolicies[0]?.spec ?? { jwt: 1 })));
});

test('a file that no longer parses keeps its last good objects and shows the problem', async () => {
  writeFileSync(file('p.yaml'), policy);
  await start();
  writeFileSync(file('p.yaml'), `${policy}\n  x: [`);
  await until(() => seen.length > 0);
  expect(last()).toEqual(['p']);
  expect(seen.at(-1)?.problems).toContainEqual(expect.objectContaining({ severity: 'error', file: file('p.yaml') }));
  writeFileSync(file('p.yaml'), policy);
  await until(() => seen.at(-1)?.problems.length === 0);
});

test('at start such a file is fatal', async () => {
  writeFileSync(file('p.yaml'), `${policy}\n  x: [`);
  expect((await start()).initial.fatal).toBe(true);
});

test('a new file that does not load is not served in parts', async () => {
  writeFileSync(file('a.yaml'), route('a'));
  await start();
  writeFileSync(file('b.yaml'), `${route('b')}---\n${policy.replace('SecurityPolicy', 'SecurityPolicies')}`);
  await until(() => (seen.at(-1)?.problems.length ?? 0) > 0);
  expect(last()).toEqual(['a']);
});

test('a file that can no longer be read keeps its last good objects and shows why', async () => {
  writeFileSync(file('p.yaml'), policy);
  await start();
  rmSync(file('p.yaml'));
  mkdirSync(file('p.yaml'));
  await until(() => (seen.at(-1)?.problems.length ?? 0) > 0);
  expect(last()).toEqual(['p']);
  expect(seen.at(-1)?.problems[0]?.message).toMatch(/cannot be read/);
});

test('a folder that is replaced as a whole is read anew', async () => {
  mkdirSync(file('live'));
  mkdirSync(file('next'));
  writeFileSync(file('live/a.yaml'), route('a'));
  writeFileSync(file('next/a.yaml'), route('b'));
  await start(file('live'));
  renameSync(file('live'), file('old'));
  renameSync(file('next'), file('live'));
  await until(() => last().join() === 'b');
  writeFileSync(file('live/a.yaml'), `${route('b')}---\n${route('c')}`);
  await until(() => last().join() === 'b,c');
});

test('a renamed file is never given twice', async () => {
  writeFileSync(file('a.yaml'), route('a'));
  await start();
  renameSync(file('a.yaml'), file('z.yaml'));
  await sleep(1_400);
  expect(seen.flatMap(({ problems }) => problems)).toEqual([]);
  for (const state of seen) expect(names(state)).toEqual(['a']);
});

test('pipes, links to nowhere and links in a circle are no trap', async () => {
  execFileSync('mkfifo', [file('pipe.yaml')]);
  symlinkSync('nowhere', file('link.yaml'));
  symlinkSync('.', file('circle'));
  writeFileSync(file('a.yaml'), route('a'));
  const { initial } = await start();
  expect(names(initial)).toEqual(['a']);
  expect(initial.problems.map(({ message }) => message)).toEqual([expect.stringMatching(/cannot be read/)]);
});

test('deleting a file lifts what it held, after it stayed away', async () => {
  writeFileSync(file('a.yaml'), route('a'));
  writeFileSync(file('b.yaml'), route('b'));
  await start();
  rmSync(file('b.yaml'));
  await until(() => last().join() === 'a');
});
