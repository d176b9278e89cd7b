import { expect, test } from 'vitest';
import { findCulprits } from '../../controller-glue/culprits.ts';

const names = Array.from({ length: 1000 }, (_, i) => `o${i}`);

test.each([[[]], [['o0']], [['o999']], [['o3', 'o4']], [['o0', 'o500', 'o998']]])('finds %j among a thousand, and nothing else', async (bad) => {
  let tries = 0;
  const found = await findCulprits(names, async (made) => {
    tries++;
    return bad.find((one) => made.has(one));
  });
  expect([...found.keys()]).toEqual(bad);
  expect(tries).toBeLessThanOrEqual(1 + bad.length * 21);
});

test('a change that is refused only beside another is found as the later of the two', async () => {
  const found = await findCulprits(['a', 'b', 'c', 'd'], async (made) => made.has('a') && made.has('d') ? 'a and d clash' : undefined);
  expect([...found]).toEqual([['d', 'a and d clash']]);
});
