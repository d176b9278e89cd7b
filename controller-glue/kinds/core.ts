// ConfigMap, Secret and Namespace (v1).
import { z } from 'zod';
import { Secret } from '../../policy/secret.ts';
import { ignored } from './not-supported.ts';

export const ConfigMapBody = z.strictObject({ data: z.record(z.string(), z.string()).nullish(), binaryData: ignored, immutable: ignored })
  .transform(({ data }) => ({ data: data ?? {} }));
export type ConfigMapBody = z.infer<typeof ConfigMapBody>;

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const decoded = z.string().refine((text) => BASE64.test(text.replace(/\s/g, '')), 'must be base64')
  .transform((text) => new Secret(Buffer.from(text, 'base64').toString('utf8')));
const plain = z.string().transform((text) => new Secret(text));

/** Values are wrapped at once: past this line no secret can be printed. stringData wins over data, as in Kubernetes. */
export const SecretBody = z.strictObject({
  type: z.string().default('Opaque'),
  data: z.record(z.string(), decoded).nullish(),
  stringData: z.record(z.string(), plain).nullish(),
  immutable: ignored,
}).transform(({ type, data, stringData }) => ({ type, data: { ...data, ...stringData } }));
export type SecretBody = z.infer<typeof SecretBody>;

export const NamespaceBody = z.strictObject({ spec: ignored, status: ignored }).transform(() => ({}));
export type NamespaceBody = z.infer<typeof NamespaceBody>;
