// Where Envoy is to ask for something else. One constant: a ConfigSource whose bytes change makes Envoy start over, without what it had (DESIGN 15).
import type { ConfigSourceJson } from '../../proto/envoy/config/core/v3/config_source_pb.js';

/** Over the stream it came by; waiting as long as it takes, because going on without would mean without certificate, routes or filter. */
export const ads: ConfigSourceJson = { ads: {}, resourceApiVersion: 'V3', initialFetchTimeout: '0s' };
