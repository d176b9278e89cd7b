// What a request brings to be judged, fetched from the host when first asked for.
import { utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { property, propertyPath } from "../../proxy-wasm-as/assembly/host";
import { Request } from "../../proxy-wasm-as/assembly/request";

const CLUSTER_NAME = propertyPath(["xds", "cluster_name"]);
const NODE = utf8("x-envoy-downstream-service-node");
const NOTHING = new ArrayBuffer(0);

export class Facts extends Request {
  private clusterRead: ArrayBuffer | null = null;

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

  get node(): ArrayBuffer { return this.first(NODE); }

  /** All values of a header, joined by commas; null: there is none. `path`: of its property. */
  joined(path: ArrayBuffer): ArrayBuffer | null { return property(path); }
}
