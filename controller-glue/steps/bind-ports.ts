// The port table: one owner for each port on this machine's address, or Envoy's reuse_port would split traffic between two without a word.
import { withCondition } from '../condition.ts';
import { condition } from '../draft.ts';
import type { Draft, DraftListener } from '../draft.ts';

/** Gateways are in the order of their age. A port belongs to the first that asks; another port of the same Gateway that comes out equal after the offset is another asker too. */
export function bindPorts(draft: Draft): void {
  const owners = new Map<number, DraftListener>();
  for (const { listeners } of draft.gateways) {
    for (const listener of listeners) {
      if (!listener.usable) continue;
      const reason = draft.settings.unavailable.get(listener.port);
      if (reason !== undefined) {
        refuse(listener, `Port ${listener.port} cannot be bound: ${reason}`);
        continue;
      }
      const owner = owners.get(listener.port);
      if (owner === undefined) owners.set(listener.port, listener);
      else if (owner.gateway !== listener.gateway || owner.spec.port !== listener.spec.port) refuse(listener, takenBy(owner));
    }
  }
}

function takenBy({ gateway: { metadata: { namespace, name } }, port, spec }: DraftListener): string {
  return `Port ${port} is taken by listener ${spec.name} (port ${spec.port}) of Gateway ${namespace}/${name}`;
}

function refuse(listener: DraftListener, message: string): void {
  listener.usable = false;
  listener.conditions = withCondition(listener.conditions, condition(listener.gateway, 'Accepted', false, 'PortUnavailable', message));
}
