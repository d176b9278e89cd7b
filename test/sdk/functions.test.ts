// The SDK's pure parts, through a compiled filter: times, hashes, dice, shared values, timers.
import { describe, expect, test } from 'vitest';
import { Vm } from 'proxy-wasm-as/vm';
import { parseDuration } from '../../policy/duration.ts';
import { compileFilter } from './compile.ts';

const wasm = compileFilter('functions');
const run = (...calls: readonly string[]): Vm => Vm.load(wasm, { pluginConfiguration: calls.join('\n') });
const said = (vm: Vm): string[] => vm.logs.map(({ message }) => message);
const answer = (call: string): string | undefined => said(run(call))[0];

describe('durations', () => {
  test.each(['1s', '500ms', '1h30m', '1h2m3s4ms', '0s', '99999h', '1m1m'])('%s, as the controller reads it', (text) => {
    expect(parseDuration(text)).not.toBe(null);
    expect(Number(answer(`duration ${text}`))).toBe(parseDuration(text));
  });
  test.each(['', 's', '1', '1.5s', '-1s', '1us', '1 s', '100000s', '1s2s3s4s5s', '2 parsecs', '1sm', 'ms'])('"%s" is none', (text) => {
    expect(parseDuration(text)).toBe(null);
    expect(answer(`duration ${text}`)).toBe('-1');
  });
});

describe('times (RFC 3339)', () => {
  test.each([
    '1970-01-01T00:00:00Z', '2026-11-23T09:00:00Z', '2024-02-29T23:59:59.999Z', '2000-02-29T12:00:00+14:00', '1999-12-31T23:59:59-12:00', '2100-03-01T00:00:00.5Z', '1969-12-31T23:59:59Z', '0001-01-01T00:00:00Z',
  ])('%s', (text) => expect(Number(answer(`time ${text}`))).toBe(Date.parse(text)));
  test.each(['', '2026-11-23', '2026-11-23T09:00:00', '2026-13-01T00:00:00Z', '2026-11-23T24:00:00Z', '2026-11-23T09:00:00.Z', '2026-11-23T09:00:00+1:00', '2026-11-23T09:00:00Z ', 'abcd-ef-ghTij:kl:mnZ', '2026-11-23T09:00:00+25:00', '2026-11-23t09:00:00Z', '2026-11-23T09:00:00z', '2026-11-31T09:00:00Z', '2025-02-29T09:00:00Z', '1900-02-29T00:00:00Z', '2026-12-31T23:59:60Z'])('"%s" is none', (text) => {
    expect(answer(`time ${text}`)).toBe(String(-(2n ** 63n)));
  });
});

test('the first byte of its kind is found, wherever a search begins and ends', () => {
  const text = 'a;bcdefgh;;ijklmnopqrstuvwxyz;0123456789\u00ff\u0080:'.repeat(3), bytes = Buffer.from(text);
  const searches = [';', ':', 'a', '0', '9', '!', '<'].flatMap((byte) => [0, 1, 2, 7, 8, 9, 10, 11, 30, 63, 130].flatMap((start) => [1, 8, 9, 29, 64, bytes.length, bytes.length + 9].map((end) => ({ byte, start, end }))));
  const found = said(run(...searches.map(({ byte, start, end }) => `index ${byte} ${start} ${end} ${text}`))).map(Number);
  // A search beyond the end reads zeros there.
  expect(found).toEqual(searches.map(({ byte, start, end }) => { const at = bytes.indexOf(byte, start); return at < 0 || at >= end ? -1 : at; }));
});

test('a block of headers is looked at in place; one that is cut off, or lies, has no more than is there', () => {
  const block = (pairs: readonly (readonly [string, string])[]): Buffer => {
    const sizes = Buffer.alloc(4 + pairs.length * 8);
    sizes.writeUInt32LE(pairs.length);
    pairs.flat().forEach((part, i) => { sizes.writeUInt32LE(part.length, 4 + i * 4); });
    return Buffer.concat([sizes, ...pairs.flat().map((part) => Buffer.from(`${part}\0`))]);
  };
  const whole = block([['a', '1'], ['', ''], ['cookie', 'x=y']]);
  const lies = [0xff_ff_ff_ff, 0x7f_ff_ff_ff, 100, 4].map((size) => { const copy = Buffer.from(whole); copy.writeUInt32LE(size, 12); return copy; });
  const counts = [0, 2, 4, 0xff_ff_ff_ff].map((count) => { const copy = Buffer.from(whole); copy.writeUInt32LE(count); return copy; });
  const cut = Array.from({ length: whole.length }, (_, size) => whole.subarray(0, size));
  const vm = run(...[whole, ...lies, ...counts, ...cut].map((bytes) => `block ${bytes.toString('base64url')}`));
  expect(said(vm)[0]).toBe('a=1;=;cookie=x=y;');
  expect(said(vm)[1]).toBe('a=1;');
  expect(said(vm).slice(-cut.length).filter((headers) => !'a=1;=;cookie=x=y;'.startsWith(headers))).toEqual([]);
  expect(vm.dead).toBe(false);
});

test('SipHash-2-4 gives the vectors of its authors', () => {
  // https://github.com/veorq/SipHash, vectors.h (CC0): key 00…0f, message 00 01 02 …
  expect([0, 1, 7, 8, 15, 63].map((size) => answer(`siphash ${size}`))).toEqual(['726fdb47dd0e0e31', '74f839c593dc67fd', 'ab0200f58b01d137', '93f5f5799a932462', 'a129ca6149be45e5', '958a324ceb064572']);
});

test('dice are even over [0, 1)', () => {
  const [mean, low, high, differ] = (answer('random') ?? '').split(' ');
  expect(Number(mean)).toBeCloseTo(0.5, 2);
  expect(Number(low)).toBeGreaterThanOrEqual(0);
  expect(Number(low)).toBeLessThan(0.001);
  expect(Number(high)).toBeLessThan(1);
  expect(Number(high)).toBeGreaterThan(0.999);
  expect(differ).toBe('true');
});

test('a shared value is written by whoever read it last', () => {
  expect(answer('shared')).toBe('0 0 true false one true now');
});

describe('timers', () => {
  test('fire at their times, in their order, over one tick', () => {
    const vm = run('alarm c 300', 'alarm a 100', 'alarm b 200', 'alarm a2 100');
    vm.clock.advance(99);
    expect(said(vm)).toEqual([]);
    vm.clock.advance(1);
    expect(said(vm)).toEqual(expect.arrayContaining(['a at 100', 'a2 at 100']));
    vm.clock.advance(1_000);
    expect(said(vm).slice(2)).toEqual(['b at 200', 'c at 300']);
  });
  test('no tick while nothing waits', () => {
    const vm = run('alarm a 100');
    expect(vm.tickPeriod).toBe(100);
    vm.clock.advance(100);
    expect(vm.tickPeriod).toBe(0);
    expect(run('alarm a 100', 'cancel a').tickPeriod).toBe(0);
  });
  test('an earlier one moves the tick', () => {
    const vm = run('alarm a 500', 'alarm b 20');
    vm.clock.advance(1_000);
    expect(said(vm)).toEqual(['b at 20', 'a at 500']);
  });
  test('what is cancelled does not fire, what is moved fires once', () => {
    const vm = run('alarm a 100', 'alarm b 200', 'alarm c 300', 'cancel b', 'move a 400', 'cancel b');
    vm.clock.advance(1_000);
    expect(said(vm)).toEqual(['c at 300', 'a at 400']);
  });
  test('a timer may set itself again', () => {
    const vm = run('alarm a 100 50');
    vm.clock.advance(1_000);
    expect(said(vm)).toEqual(['a at 100', 'a at 150']);
  });
  test('do not wait for a clock that was set back, and do not hurry after one that was set forward', () => {
    const vm = run('alarm a 100', 'alarm b 200');
    vm.clock.step(-3_600_000);
    vm.clock.advance(150);
    vm.clock.step(7_200_000);
    vm.clock.advance(49);
    expect(said(vm)).toEqual(['a at -3599900']);
    vm.clock.advance(1);
    expect(said(vm).slice(1)).toEqual(['b at 3600200']);
  });
  test('a thousand in any order', () => {
    const times = Array.from({ length: 1_000 }, (_, i) => ((i * 7919) % 1_000) + 1);
    const vm = run(...times.map((time, i) => `alarm t${i} ${time}`), ...times.flatMap((_, i) => (i % 3 === 0 ? [`cancel t${i}`] : [])));
    vm.clock.advance(2_000);
    const fired = said(vm).map((line) => Number(line.split(' at ')[1]));
    expect(fired).toEqual(times.filter((_, i) => i % 3 !== 0).sort((a, b) => a - b));
    expect(vm.tickPeriod).toBe(0);
  });
});
