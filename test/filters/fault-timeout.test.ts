// A request that is delayed has as long as its route gives it, the delay included; one that is not is none of the filter's business.
import { describe, expect, test } from 'vitest';
import { Vm } from 'proxy-wasm-as/vm';

const WASM = new URL('../../build/fault.wasm', import.meta.url);
const vm = (...faults: readonly object[]): Vm => Vm.load(WASM, { pluginConfiguration: JSON.stringify({ rules: [{ match: {}, policy: { faults, requestTimeout: '1s' } }] }) });
const timedOut = { status: 504, body: 'upstream request timeout', details: 'response_timeout' };
/** A request that is not over, so that no answer comes. */
const silent = { endOfStream: false };

describe('a delay', () => {
  test('longer than the timeout ends with it', () => {
    const one = vm({ delay: { fixedDelay: '5s' } });
    const exchange = one.request();
    one.clock.advance(999);
    expect(exchange.outcome).toBe('held');
    one.clock.advance(1);
    expect([exchange.outcome, exchange.response]).toMatchObject(['responded', timedOut]);
    one.clock.advance(10_000);                     // the last heartbeat of the counts
    expect(one.tickPeriod).toBe(0);
  });
  test('shorter than it leaves the backend the rest', () => {
    const one = vm({ delay: { fixedDelay: '300ms' } });
    const exchange = one.request({}, silent);
    one.clock.advance(999);
    expect(exchange.response).toBeUndefined();
    one.clock.advance(1);
    expect(exchange.response).toMatchObject(timedOut);
  });
  test('of the answer ends with it', () => {
    const one = vm({ response: { delay: { fixedDelay: '5s' } } });
    const exchange = one.request();
    one.clock.advance(1_000);
    expect(exchange.response).toMatchObject(timedOut);
  });
  test('an answer that has begun in time is let be', () => {
    const one = vm({ delay: { fixedDelay: '300ms' } });
    const exchange = one.request();
    one.clock.advance(10_000);
    expect(exchange.response).toMatchObject({ status: 200 });
    expect([one.tickPeriod, one.liveStreams]).toEqual([0, 0]);
  });
  test('an abort after it has its turn first', () => {
    const one = vm({ delay: { fixedDelay: '300ms' }, abort: { httpStatus: 418 } });
    const exchange = one.request();
    one.clock.advance(300);
    expect(exchange.response).toMatchObject({ status: 418 });
  });
  test('that a client leaves leaves nothing behind', () => {
    const one = vm({ delay: { fixedDelay: '300ms' } });
    const exchange = one.request({}, silent);
    one.clock.advance(400);
    exchange.cancel();
    one.clock.advance(10_000);
    expect([one.tickPeriod, one.liveStreams]).toEqual([0, 0]);
  });
});
test('a request that is not delayed has no time but the route\'s', () => {
  const one = vm({ delay: { fixedDelay: '5s', percentage: 0 } });
  const exchange = one.request({}, silent);
  one.clock.advance(10_000);
  expect(exchange.response).toBeUndefined();
});
