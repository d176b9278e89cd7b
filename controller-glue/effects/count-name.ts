// What requests are counted under: the object's name, so that a policy that changes keeps its count.
import { contentId } from '../content-id.ts';
import type { Metadata } from '../resources.ts';

const MAX_NAME = 253;   // policy/fault.ts, policy/connection-limit.ts

export function countName({ namespace, name }: Metadata): string {
  const full = `${namespace}/${name}`;
  return full.length <= MAX_NAME ? full : contentId(full);
}
