// A callback that has much to let go does a little of it, ends, and is called again at once. For what callbacks ask for (resume, respond, close)
// the host carries out when they end, with all callbacks that it causes in turn, one within the other on one stack: Envoy 1.40 has room for some 300.
import { Status, proxy_dequeue_shared_queue, proxy_enqueue_shared_queue, proxy_register_shared_queue } from "./abi";
import { utf8 } from "./bytes";
import { addressOf, expectHostBytes, outAddress, outSize, takeHostBytes, takeHostU32 } from "./memory";
import { random64 } from "./random";

/** Streams to let go in one turn: other filters behind ours need stack too. */
export const AT_ONCE = 16;

const NOTHING = new ArrayBuffer(0);

/** Of one root context, whose onQueueReady() is called for each turn. Made of a shared queue of its own: the host announces what is in one as soon as it is idle. */
export class Turns {
  private token: u32 = 0;

  /** Asks for a turn. The host may have no queues: a tick must be there too. */
  ask(): void {
    if (this.token == 0) {
      const name = utf8("gatewright.turns." + random64().toString(16) + random64().toString(16));
      if (proxy_register_shared_queue(addressOf(name), name.byteLength, outAddress()) != Status.Ok) return;
      this.token = takeHostU32();
    }
    proxy_enqueue_shared_queue(this.token, addressOf(NOTHING), 0);
  }

  /** Whether onQueueReady() was called for a turn of these. */
  taken(token: u32): bool {
    if (token == 0 || token != this.token) return false;
    expectHostBytes();
    if (proxy_dequeue_shared_queue(token, outAddress(), outSize()) != Status.Ok) return false;
    takeHostBytes();
    return true;
  }
}
