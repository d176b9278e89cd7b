// Names as Kubernetes and Gateway API allow them. They end up in xDS names, so nothing else may pass.
import { z } from 'zod';

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const IPV4 = /^[0-9]+(\.[0-9]+){3}$/;

export const objectName = z.string().max(253).regex(SUBDOMAIN, 'must be lower-case letters, digits, "-" and "." (RFC 1123 subdomain)');
export const namespaceName = z.string().max(63).regex(LABEL, 'must be lower-case letters, digits and "-" (RFC 1123 label)');
export const sectionName = objectName;
export const portNumber = z.int().min(1).max(65535);
export const group = z.string().max(253).regex(/^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, 'must be an API group');
export const kind = z.string().min(1).max(63).regex(/^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/, 'must be a kind');
export const labels = z.record(z.string(), z.string());

/** Gateway API Hostname: a DNS name, or one with `*.` before it; never an IP address. */
export const hostname = z.string().min(1).max(253)
  .refine((name) => SUBDOMAIN.test(name.startsWith('*.') ? name.slice(2) : name) && !IPV4.test(name),
    'must be a DNS name in lower case, "*." allowed in front, no IP address and no port');

export const LabelSelector = z.strictObject({
  matchLabels: labels.optional(),
  matchExpressions: z.array(z.strictObject({
    key: z.string().min(1),
    operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
    values: z.array(z.string()).optional(),
  })).optional(),
});
export type LabelSelector = z.infer<typeof LabelSelector>;

/** ObjectMeta of Kubernetes. */
export const ObjectMeta = z.strictObject({
  name: objectName,
  namespace: namespaceName.optional(),
  labels: labels.nullish(),            // templates leave `labels:` behind; Kubernetes takes it
  annotations: labels.nullish(),
  generation: z.int().optional(),
  creationTimestamp: z.string().nullish(),
  uid: z.string().optional(),
  ...Object.fromEntries(['generateName', 'resourceVersion', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'ownerReferences',
    'finalizers', 'managedFields', 'selfLink'].map((name) => [name, z.unknown().optional()])),
});
