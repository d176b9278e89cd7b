// The wire form of delta ADS: envoy.service.discovery.v3 messages ↔ the plain data of delta.ts.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { AggregatedDiscoveryService } from '../../proto/envoy/service/discovery/v3/ads_pb.js';
import { type DeltaDiscoveryRequest, DeltaDiscoveryRequestSchema, DeltaDiscoveryResponseSchema } from '../../proto/envoy/service/discovery/v3/discovery_pb.js';
import type { DeltaRequest, DeltaResponse } from './delta.ts';

export interface NodeRequest extends DeltaRequest {
  /** Node id; empty on all but the first request of a stream (set_node_on_first_message_only). */
  readonly node: string;
}

/** For @grpc/grpc-js. State-of-the-world ADS is not offered: Envoy then gets UNIMPLEMENTED. */
export const aggregatedDiscovery = {
  deltaAggregatedResources: {
    path: `/${AggregatedDiscoveryService.typeName}/DeltaAggregatedResources`,
    requestStream: true,
    responseStream: true,
    requestSerialize: (): Buffer => { throw new Error('this side answers'); },
    requestDeserialize: (bytes: Buffer): NodeRequest => plain(fromBinary(DeltaDiscoveryRequestSchema, bytes)),
    responseSerialize,
    responseDeserialize: (): DeltaResponse => { throw new Error('this side answers'); },
  },
} as const satisfies ServiceDefinition;

function plain({ node, typeUrl, resourceNamesSubscribe, resourceNamesUnsubscribe, initialResourceVersions, responseNonce, errorDetail }: DeltaDiscoveryRequest): NodeRequest {
  return {
    node: node?.id ?? '',
    typeUrl,
    subscribe: resourceNamesSubscribe,
    unsubscribe: resourceNamesUnsubscribe,
    initialVersions: new Map(Object.entries(initialResourceVersions)),
    nonce: responseNonce,
    refusal: errorDetail?.message,
  };
}

function responseSerialize({ typeUrl, nonce, resources, removed }: DeltaResponse): Buffer {
  const bytes = toBinary(DeltaDiscoveryResponseSchema, create(DeltaDiscoveryResponseSchema, {
    typeUrl,
    nonce,
    resources: resources.map(([name, { version, body }]) => ({ name, version, resource: { typeUrl, value: body } })),
    removedResources: [...removed],
  }));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
