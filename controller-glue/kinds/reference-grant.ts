// ReferenceGrant, gateway.networking.k8s.io/v1 and v1beta1: who may refer to what across namespaces.
import { z } from 'zod';
import { group, kind, namespaceName, objectName } from './names.ts';

export const ReferenceGrantSpec = z.strictObject({
  from: z.array(z.strictObject({ group, kind, namespace: namespaceName })).min(1).max(16),
  to: z.array(z.strictObject({ group, kind, name: objectName.optional() })).min(1).max(16),
});
export type ReferenceGrantSpec = z.infer<typeof ReferenceGrantSpec>;
