// What an assertion only names: headers with tokens, which a worker learns from the service's answers.
import { describe, expect, test } from 'vitest';
import type { Properties, Vm } from 'proxy-wasm-as/vm';
import { scaled } from '../scale.ts';
import { assertion, expectAsked, load, ours, passes, route, send, written } from './session-vm.ts';

describe('headers with tokens, which an assertion only names', () => {
  const answered = (forward: string, forwarded?: string): Properties => ({ ...route(), metadata: { filter_metadata: { 'gatewright.oidc': { forward, ...(forwarded === undefined ? {} : { forwarded }) } } } });
  const token = JSON.stringify([['authorization', 'Bearer t'], ['x-id', 'i']]);
  const named = (vm: Vm, forward = 'f1'): string => ours(assertion(vm, { set: [['x-user', 'alice']], forward }));

  test('are asked for once, and then remembered', () => {
    const vm = load();
    expectAsked(send(vm, named(vm), {}, answered('f1', token)));
    const exchange = send(vm, named(vm), { authorization: 'mine', 'x-id': 'mine' });
    expect(written(exchange)).toEqual(passes);
    expect(['authorization', 'x-id', 'x-user'].map((name) => exchange.requestHeaders.all(name))).toEqual([['Bearer t'], ['i'], ['alice']]);
  });

  test.each<[string, string, string | undefined]>([
    ['of another name', 'f2', token], ['that are not there', 'f1', undefined], ['without a name', '', token], ['that are no JSON', 'f1', '[['], ['that are no list', 'f1', '{}'],
    ['that are no pairs', 'f1', '[["a"]]'], ['that no session may set', 'f1', '[["host","a"]]'], ['with a line feed', 'f1', '[["a","b\\n"]]'],
  ])('are not taken for those %s', (_, forward, forwarded) => {
    const vm = load();
    send(vm, named(vm), {}, answered(forward, forwarded));
    expectAsked(send(vm, named(vm)));
  });

  test('stay what they were when they were named, whatever is said later', () => {
    const vm = load();
    send(vm, named(vm), {}, answered('f1', token));
    send(vm, 'none=1', {}, answered('f1', '[["authorization","Bearer other"]]'));
    expect(send(vm, named(vm)).requestHeaders.all('authorization')).toEqual(['Bearer t']);
  });

  test('of ten thousand sessions do not grow memory, and the service is asked again', () => {
    const vm = load();
    const large = JSON.stringify([['authorization', `Bearer ${'t'.repeat(8_000)}`]]);
    const fill = (from: number, count: number): void => { for (let i = 0; i < count; i++) send(vm, 'a=1', {}, answered(`n${from + i}`, large)); };
    send(vm, named(vm), {}, answered('f1', token));
    fill(0, 1_500);
    const { pages } = vm;
    fill(1_500, 8_500 + scaled(100_000));
    expect(vm.pages).toBeLessThanOrEqual(pages * 1.3);
    expect(vm.pages).toBeLessThan(400);
    expectAsked(send(vm, named(vm)));
  });
});
