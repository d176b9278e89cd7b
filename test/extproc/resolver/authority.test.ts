import { domainToUnicode } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseAuthority } from '../../../extproc/resolver/authority.ts';
import { scaled } from '../../scale.ts';

describe('reads', () => {
  test.each([
    { text: 'example.com', host: 'example.com', kind: 'name', port: 443, authority: 'example.com', canonical: true },
    { text: 'example.com:8443', host: 'example.com', kind: 'name', port: 8443, authority: 'example.com:8443', canonical: true },
    { text: 'example.com:443', host: 'example.com', kind: 'name', port: 443, authority: 'example.com:443', canonical: true },
    { text: 'EXAMPLE.Com', host: 'example.com', kind: 'name', port: 443, authority: 'example.com', canonical: false },
    { text: 'example.com.', host: 'example.com', kind: 'name', port: 443, authority: 'example.com', canonical: false },
    { text: 'example.com.:80', host: 'example.com', kind: 'name', port: 80, authority: 'example.com:80', canonical: false },
    { text: 'localhost', host: 'localhost', kind: 'name', port: 443, authority: 'localhost', canonical: true },
    { text: 'my_bucket.s3.test', host: 'my_bucket.s3.test', kind: 'name', port: 443, authority: 'my_bucket.s3.test', canonical: true },
    { text: 'r3---sn.test', host: 'r3---sn.test', kind: 'name', port: 443, authority: 'r3---sn.test', canonical: true },
    { text: '1.example', host: '1.example', kind: 'name', port: 443, authority: '1.example', canonical: true },
    { text: 'bücher.example', host: 'xn--bcher-kva.example', kind: 'name', port: 443, authority: 'xn--bcher-kva.example', canonical: false },
    { text: 'BÜCHER。example', host: 'xn--bcher-kva.example', kind: 'name', port: 443, authority: 'xn--bcher-kva.example', canonical: false },
    { text: 'xn--bcher-kva.example', host: 'xn--bcher-kva.example', kind: 'name', port: 443, authority: 'xn--bcher-kva.example', canonical: true },
    { text: '93.184.216.34', host: '93.184.216.34', kind: 'ipv4', port: 443, authority: '93.184.216.34', canonical: true },
    { text: '93.184.216.34:1', host: '93.184.216.34', kind: 'ipv4', port: 1, authority: '93.184.216.34:1', canonical: true },
    { text: '[2606:2800:220::1]:65535', host: '2606:2800:220::1', kind: 'ipv6', port: 65_535, authority: '[2606:2800:220::1]:65535', canonical: true },
    { text: '[2606:2800:0220:0:0::1]', host: '2606:2800:220::1', kind: 'ipv6', port: 443, authority: '[2606:2800:220::1]', canonical: false },
    { text: '[2606:2800:220::ABCD]', host: '2606:2800:220::abcd', kind: 'ipv6', port: 443, authority: '[2606:2800:220::abcd]', canonical: false },
    { text: '[::127.0.0.1]', host: '::7f00:1', kind: 'ipv6', port: 443, authority: '[::7f00:1]', canonical: false },
  ])('$text as $authority', ({ text, ...host }) => {
    expect(parseAuthority(text, 443)).toEqual({ kind: 'host', host });
  });
});

describe('refuses', () => {
  test.each([
    { text: '', problem: 'empty' }, { text: ':80', problem: 'empty' }, { text: '.', problem: 'label' },
    { text: 'a'.repeat(261), problem: 'too_long' }, { text: `${'a.'.repeat(127)}b`, problem: 'too_long' },
    { text: `${'a'.repeat(64)}.test`, problem: 'label' }, { text: 'a..test', problem: 'label' }, { text: '.test', problem: 'label' }, { text: 'a.test..', problem: 'label' },
    { text: 'a.test:', problem: 'port' }, { text: 'a.test:0', problem: 'port' }, { text: 'a.test:65536', problem: 'port' }, { text: 'a.test:99999', problem: 'port' },
    { text: 'a.test:+80', problem: 'forbidden_character' }, { text: 'a.test:8o', problem: 'port' }, { text: 'a.test:٨٠', problem: 'port' }, { text: '[::1]80', problem: 'ipv6' }, { text: '[]', problem: 'ipv6' },
    { text: '*.test', problem: 'forbidden_character' }, { text: 'a\u007f.test', problem: 'control_character' }, { text: 'a\t.test', problem: 'control_character' },
    { text: 'http://a.test', problem: 'forbidden_character' }, { text: 'a.test?b', problem: 'forbidden_character' }, { text: 'user:word@a.test', problem: 'userinfo' },
    { text: 'a\u200db.test', problem: 'idn' }, { text: 'a\ufffdb.test', problem: 'idn' }, { text: 'a\u2024\u2024b.test', problem: 'idn' }, { text: 'a．．test', problem: 'label' },
    { text: '1.2.3.4.', problem: 'ipv4_spelling' }, { text: '09', problem: 'ipv4_spelling' }, { text: '0x', problem: 'ipv4_spelling' }, { text: 'a.0x7f', problem: 'ipv4_spelling' },
    { text: '[1.2.3.4]', problem: 'ipv6' }, { text: '[::1.2.3]', problem: 'ipv6' }, { text: '[1::2::3]', problem: 'ipv6' }, { text: '[fe80::1%25eth0]', problem: 'percent' },
  ])('$text: $problem', ({ text, problem }) => {
    expect(parseAuthority(text, 443)).toEqual({ kind: 'bad', problem });
  });
});

test('what it makes of a host is its own canonical spelling, and survives every reader', () => {
  const parts = ['a', 'B', 'z9', '.', '..', ':', '80', '443', '0', '[', ']', '::', '::1', 'ffff', '127.0.0.1', '1', '%', '%41', '@', '/', '\\', '\u0000', ' ', 'ü', '。', '１', 'ß', '\ud800', '😀', 'xn--', '-', '_', '0x', '\u00ad', '\u202e', ','];
  let seed = 1;
  const next = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  let hosts = 0;
  for (let i = 0; i < scaled(100_000); i++) {
    const text = Array.from({ length: 1 + next(8) }, () => next(4) === 0 ? String.fromCharCode(next(0x3100)) : parts[next(parts.length)] ?? '').join('');
    const read = parseAuthority(text, 80);
    if (read.kind === 'bad') continue;
    hosts++;
    const { host } = read;
    expect(parseAuthority(host.authority, 80)).toEqual({ kind: 'host', host: { ...host, canonical: true } });
    // The URL parser, which other software reads hosts with, sees the same host and no second one.
    expect(new URL(`http://${host.authority}/`).hostname).toBe(host.kind === 'ipv6' ? `[${host.host}]` : host.host);
    expect(host.host).toBe(host.host.toLowerCase());
    expect(host.host).toMatch(/^[a-z0-9._:-]{1,253}$/);
    expect(domainToUnicode(host.host)).toBeTypeOf('string');
  }
  expect(hosts).toBeGreaterThan(scaled(2_000));
});
