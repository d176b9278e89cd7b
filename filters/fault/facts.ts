// What a request brings to be judged, fetched from the host when first asked for.
import { find, utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { property, propertyPath } from "../../proxy-wasm-as/assembly/host";
import { byteAt } from "../../proxy-wasm-as/assembly/memory";
import { Request } from "../../proxy-wasm-as/assembly/request";

const CLUSTER_NAME = propertyPath(["xds", "cluster_name"]);
const CONTENT_TYPE = utf8("content-type"), GRPC = utf8("application/grpc");
const NODE = utf8("x-envoy-downstream-service-node");
const NOTHING = new ArrayBuffer(0);

export class Facts extends Request {
  private clusterRead: ArrayBuffer | null = null;

  renew(): void {
    super.renew();
    this.clusterRead = null;
  }

  /** Envoy's name of the cluster that the route leads to. */
  get cluster(): ArrayBuffer {
    let cluster = this.clusterRead;
    if (cluster == null) {
      cluster = property(CLUSTER_NAME);
      if (cluster == null) cluster = NOTHING;
      this.clusterRead = cluster;
    }
    return cluster;
  }

  /** application/grpc and application/grpc+proto, not application/grpc-web (Grpc::Common::isGrpcRequestHeaders). */
  get isGrpc(): bool {
    const type = this.first(CONTENT_TYPE), size = GRPC.byteLength;
    return find(type, 0, min(size, type.byteLength), GRPC) == 0 && (type.byteLength == size || byteAt(type, size) == 0x2b);
  }

  get node(): ArrayBuffer { return this.first(NODE); }
}
