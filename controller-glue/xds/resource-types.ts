// Every xDS type that we serve, in the order in which Envoy must learn of it: "make before break".

import { typeUrls } from './snapshot.ts';

export interface ResourceType {
  readonly typeUrl: string;
  /** Asked for as "everything": xds_protocol allows the legacy wildcard (a first request without names) for listeners and clusters only. */
  readonly wildcard: boolean;
  /** Traffic is sent to what this describes, so nothing that points there (`follows`) may overtake it. Envoy acknowledges a cluster only once it is warm. */
  readonly leads: boolean;
  readonly follows: boolean;
  /**
   * What a resource of this type names. A changed cluster or listener is a new consumer of these names, but Envoy does not ask for a name that it is
   * subscribed to already, and the new consumer waits 15 s for it: so we send it again.
   */
  readonly names: readonly string[];
}

/** Added and changed from first to last; removed from last to first. */
export const resourceTypes: readonly ResourceType[] = [
  { typeUrl: typeUrls.cluster,   wildcard: true,  leads: true,  follows: false, names: [typeUrls.endpoint, typeUrls.secret] },
  { typeUrl: typeUrls.endpoint,  wildcard: false, leads: true,  follows: false, names: [] },
  { typeUrl: typeUrls.secret,    wildcard: false, leads: false, follows: false, names: [] },
  { typeUrl: typeUrls.extension, wildcard: false, leads: false, follows: true,  names: [] },
  { typeUrl: typeUrls.listener,  wildcard: true,  leads: false, follows: true,  names: [typeUrls.secret, typeUrls.extension, typeUrls.route] },
  { typeUrl: typeUrls.route,     wildcard: false, leads: false, follows: true,  names: [] },
];
