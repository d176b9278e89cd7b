// Bytes that all workers' VMs with one vm_id share, by key. There is no lock and no delete: a value is changed by compare and swap.
import { Status, proxy_get_shared_data, proxy_set_shared_data } from "./abi";
import { addressOf, expectHostBytes, outAddress, outSize, outVersion, takeHostBytes, takeHostVersion } from "./memory";

/** A version that no value ever has. 0 would overwrite whatever is there. */
const NO_VERSION: u32 = u32.MAX_VALUE;

const NOTHING = new ArrayBuffer(0);

/** One value, read and changed. */
export class SharedValue {
  private version: u32 = NO_VERSION;
  constructor(private key: ArrayBuffer) {}

  /** What is there now; empty when nothing ever was. The next write() builds on this. */
  read(): ArrayBuffer {
    expectHostBytes();
    this.version = NO_VERSION;
    if (proxy_get_shared_data(addressOf(this.key), this.key.byteLength, outAddress(), outSize(), outVersion()) != Status.Ok) return NOTHING;
    this.version = takeHostVersion();
    return takeHostBytes();
  }

  /** False when another worker has written since read(): read again. */
  write(value: ArrayBuffer): bool {
    return proxy_set_shared_data(addressOf(this.key), this.key.byteLength, addressOf(value), value.byteLength, this.version) == Status.Ok;
  }
}
