import { execFileSync } from 'node:child_process';
import { mkdtempDisposable, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HostsFile, parseHosts, readHostsFile } from '../../../extproc/resolver/hosts-file.ts';

test('lines of addresses and names', () => {
  const hosts = parseHosts('# comment\n127.0.0.1\tlocalhost a.test # b.test\r\n::1 localhost\n10.0.0.1 A.Test. a.test\n\n1.2.3 bad.test\nfe80::1%eth0 zone.test\n0x7f.0.0.1 hex.test\n  93.184.216.34   spaced.test  \n8.8.8.8');
  expect(Object.fromEntries(hosts)).toEqual({ 'localhost': ['127.0.0.1', '::1'], 'a.test': ['127.0.0.1', '10.0.0.1'], 'spaced.test': ['93.184.216.34'] });
});

test('of a name with more addresses than any host has, the first', () => {
  const lines = Array.from({ length: 60_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255} many.test`);
  const hosts = parseHosts([...lines, '10.0.0.1 other.test'].join('\n'));
  expect(hosts.get('many.test')).toEqual(lines.slice(0, 32).map((line) => line.split(' ')[0]));
  expect(hosts.get('other.test')).toEqual(['10.0.0.1']);
});

describe('the file', () => {
  async function folder() {
    const made = await mkdtempDisposable(join(tmpdir(), 'hosts-'));
    let now = 0;
    const path = join(made.path, 'hosts');
    return { path, file: new HostsFile(path, () => now), later: () => { now += 1_000; }, [Symbol.asyncDispose]: () => made.remove() };
  }

  test('is read again when it has changed, also when it was replaced or taken away', async () => {
    await using at = await folder();
    expect(await at.file.find('a.test')).toBeUndefined();
    await writeFile(at.path, '10.0.0.1 a.test\n');
    at.later();
    expect(await at.file.find('a.test')).toEqual(['10.0.0.1']);
    await writeFile(`${at.path}.new`, '10.0.0.2 a.test\n');
    await rename(`${at.path}.new`, at.path);
    expect(await at.file.find('a.test')).toEqual(['10.0.0.1']);   // looked at a moment ago
    at.later();
    expect(await at.file.find('a.test')).toEqual(['10.0.0.2']);
    await rename(at.path, `${at.path}.gone`);
    at.later();
    expect(await at.file.find('a.test')).toBeUndefined();
  });

  test('is not read when it has not changed', async () => {
    let reads = 0;
    let now = 0;
    const file = new HostsFile('hosts', () => now, async (_, known) => { if (known === '') reads++; return { version: '1', text: known === '' ? '10.0.0.1 a.test' : null }; });
    for (let i = 0; i < 10; i++) {
      expect(await file.find('a.test')).toEqual(['10.0.0.1']);
      now += 1_000;
    }
    expect(reads).toBe(1);
  });

  test('is a file: of a device, a pipe, a folder or a giant nothing is read', async () => {
    await using at = await folder();
    execFileSync('mkfifo', [at.path]);
    for (const path of [at.path, '/dev/zero', tmpdir()]) expect(await readHostsFile(path, '')).toBeNull();
    await writeFile(`${at.path}.large`, Buffer.alloc(1024 * 1024 + 1));
    expect(await readHostsFile(`${at.path}.large`, '')).toBeNull();
    // Of /proc, which says 0 bytes of everything: 256 GB.
    expect(await readHostsFile('/proc/self/pagemap', '')).toBeNull();
    expect((await readHostsFile('/proc/self/status', ''))?.text).toContain('Pid:');
  });

  test('is none when there is no path', async () => {
    expect(await new HostsFile('', () => 0, async () => { throw new Error('read'); }).find('a.test')).toBeUndefined();
  });
});
