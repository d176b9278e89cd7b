// What a ClientTrafficPolicy makes of the listeners it decides for.
import { ListenerLimit } from '../../policy/connection-limit.ts';
import { parseDuration } from '../../policy/duration.ts';
import { authority as readAuthority } from '../authority.ts';
import type { ClientTrafficEffect, Draft } from '../draft.ts';
import type { IrHttpLimits } from '../ir.ts';
import type { ClientTrafficPolicySpec } from '../kinds/client-traffic-policy.ts';
import { parseBytes } from '../kinds/quantity.ts';
import type { Fault } from '../problem-at.ts';
import type { Resource } from '../resources.ts';

type ConnectionLimit = NonNullable<NonNullable<ClientTrafficPolicySpec['connection']>['connectionLimit']>;

export function clientTrafficEffect({ spec: { connection, tls }, metadata }: Resource<ClientTrafficPolicySpec>, { find }: Draft, say: (fault: Fault) => void): ClientTrafficEffect {
  const bufferLimitBytes = connection?.bufferLimit === undefined ? null : parseBytes(connection.bufferLimit);
  const validation = tls?.clientValidation;
  const authority = validation === undefined ? null : readAuthority(validation.caCertificateRefs, {
    name: `client-ca/${metadata.namespace}/${metadata.name}`, kind: 'ClientTrafficPolicy', namespace: metadata.namespace, at: 'spec.tls.clientValidation.caCertificateRefs',
  }, find, say);
  return {
    limits: limits(connection?.connectionLimit),
    http: httpLimits(connection?.connectionLimit),
    ...(validation === undefined || authority === null ? {} : { clientValidation: { authority, optional: validation.optional } }),
    port: {
      ...(bufferLimitBytes === null ? {} : { bufferLimitBytes }),
      ...(connection?.maxAcceptPerSocketEvent === undefined ? {} : { acceptsPerEvent: connection.maxAcceptPerSocketEvent }),
    },
  };
}

/** The filter counts to a million. So many connections there never are: bootstrap.ts bounds them all. */
const MAX_VALUE = 1_000_000;

function limits({ value, closeDelay }: ConnectionLimit = {}): ListenerLimit[] {
  if (value === undefined) return [];
  return [ListenerLimit.parse({ name: 'listener', value: Math.min(value, MAX_VALUE), ...(closeDelay === undefined || parseDuration(closeDelay) === 0 ? {} : { closeDelay }) })];
}

function httpLimits({ maxConnectionDuration, maxRequestsPerConnection, maxStreamDuration }: ConnectionLimit = {}): IrHttpLimits {
  const [maxConnectionMs, maxStreamMs] = [maxConnectionDuration, maxStreamDuration].map((text) => (text === undefined ? null : parseDuration(text)));
  return {
    ...(maxConnectionMs == null ? {} : { maxConnectionMs }),
    ...(maxRequestsPerConnection === undefined ? {} : { maxRequestsPerConnection }),
    ...(maxStreamMs == null ? {} : { maxStreamMs }),
  };
}
