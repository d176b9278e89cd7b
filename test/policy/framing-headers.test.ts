// Headers that say where a message ends are nobody's to write: with content-length: 3 before a body of twelve bytes, nine of them would begin the next answer
// on the connection, which may be another client's behind a proxy.
import { expect, test } from 'vitest';
import { Vm } from 'proxy-wasm-as/vm';
import { FaultPolicy } from '../../policy/fault.ts';

/** The schema and the filter say the same. */
function accepts(fault: object): boolean {
  const policy = { faults: [fault] };
  const { success } = FaultPolicy.safeParse(policy);
  expect(Vm.load(new URL('../../build/fault.wasm', import.meta.url), { pluginConfiguration: JSON.stringify({ rules: [{ match: {}, policy }] }) }).configured).toBe(success);
  return success;
}
const names = ['content-length', 'Content-Length', 'transfer-encoding', 'connection', 'upgrade', 'te', 'trailer', 'keep-alive', 'proxy-connection'];

test.each(names)('%s is refused in an abort and in a replaced answer', (name) => {
  expect(accepts({ abort: { httpStatus: 503, headers: [{ name, value: '3' }] } })).toBe(false);
  expect(accepts({ response: { replace: { headers: [{ name, value: '3' }] } } })).toBe(false);
});
test.each(['retry-after', 'content-type', 'content-encoding', 'x-te'])('%s is anybody\'s', (name) => {
  expect(accepts({ abort: { httpStatus: 503, headers: [{ name, value: '3' }] } })).toBe(true);
  expect(accepts({ response: { replace: { headers: [{ name, value: '3' }] } } })).toBe(true);
});
test('it may be taken away: the body then ends as Envoy says', () => expect(accepts({ response: { replace: { removeHeaders: ['content-length'] } } })).toBe(true));
