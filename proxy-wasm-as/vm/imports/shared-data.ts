// Shared data and queues.
import { Status } from '../abi.ts';
import type { Host } from '../host.ts';
import type { Imports } from './env.ts';

export function sharedImports(host: Host): Imports {
  const { shared, clock, vmId: ownVmId } = host.surroundings;
  return {
    proxy_get_shared_data(key: number, keySize: number, outValue: number, outSize: number, outCas: number): Status {
      host.context();
      const name = host.memory.text(key, keySize);
      if (name === null) return Status.InvalidMemoryAccess;
      const entry = shared.get(name);
      if (entry === undefined) return Status.NotFound;
      const written = host.give(entry.value, outValue, outSize) && host.memory.setWord(outCas, entry.cas);
      return written ? Status.Ok : Status.InvalidMemoryAccess;
    },
    proxy_set_shared_data(key: number, keySize: number, value: number, valueSize: number, cas: number): Status {
      host.context();
      const name = host.memory.text(key, keySize);
      const bytes = host.memory.copy(value, valueSize);
      if (name === null || bytes === null) return Status.InvalidMemoryAccess;
      return shared.set(name, bytes, cas >>> 0);
    },
    proxy_register_shared_queue(name: number, size: number, out: number): Status {
      const { root } = host.context();
      const text = host.memory.text(name, size);
      if (text === null) return Status.InvalidMemoryAccess;
      // The owner is told on its own thread, later: here, when the clock next moves or settles.
      const token = shared.registerQueue(text, (queue) => {
        clock.after(0, () => host.call(root, host.exports.proxy_on_queue_ready, root.id, queue));
      });
      return host.memory.setWord(out, token) ? Status.Ok : Status.InvalidMemoryAccess;
    },
    proxy_resolve_shared_queue(vmId: number, vmIdSize: number, name: number, size: number, out: number): Status {
      host.context();
      const owner = host.memory.text(vmId, vmIdSize);
      const text = host.memory.text(name, size);
      if (owner === null || text === null) return Status.InvalidMemoryAccess;
      const token = owner === '' || owner === ownVmId ? shared.resolveQueue(text) : 0;
      if (token === 0) return Status.NotFound;
      return host.memory.setWord(out, token) ? Status.Ok : Status.InvalidMemoryAccess;
    },
    proxy_enqueue_shared_queue(token: number, data: number, size: number): Status {
      host.context();
      const bytes = host.memory.copy(data, size);
      return bytes === null ? Status.InvalidMemoryAccess : shared.enqueue(token >>> 0, bytes);
    },
    proxy_dequeue_shared_queue(token: number, outValue: number, outSize: number): Status {
      host.context();
      const item = shared.dequeue(token >>> 0);
      if (typeof item === 'number') return item;
      return host.give(item, outValue, outSize) ? Status.Ok : Status.InvalidMemoryAccess;
    },
  };
}
