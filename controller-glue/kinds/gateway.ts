// GatewayClass and Gateway, gateway.networking.k8s.io/v1.
import { z } from 'zod';
import { LabelSelector, group, hostname, kind, labels, namespaceName, objectName, portNumber, sectionName } from './names.ts';
import { notSupported } from './not-supported.ts';

export const GatewayClassSpec = z.strictObject({
  controllerName: z.string().min(1).max(253).regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/, 'must be a domain and a path, such as example.com/controller'),
  description: z.string().max(64).optional(),
  parametersRef: notSupported('EnvoyProxy settings are not there yet; use the options of gatewright'),
});
export type GatewayClassSpec = z.infer<typeof GatewayClassSpec>;

const Tls = z.strictObject({
  mode: z.enum(['Terminate', 'Passthrough']).default('Terminate'),
  certificateRefs: z.array(z.strictObject({
    group: group.default(''),
    kind: kind.default('Secret'),
    name: objectName,
    namespace: namespaceName.optional(),
  })).max(64).default([]),
  frontendValidation: notSupported('client certificates are not checked yet'),
  options: notSupported(),
});

const AllowedRoutes = z.strictObject({
  namespaces: z.strictObject({ from: z.enum(['All', 'Selector', 'Same', 'None']).default('Same'), selector: LabelSelector.optional() }).default({ from: 'Same' }),
  kinds: z.array(z.strictObject({ group: group.default('gateway.networking.k8s.io'), kind })).max(8).default([]),
});

export const Listener = z.strictObject({
  name: sectionName,
  hostname: hostname.optional(),
  port: portNumber,
  protocol: z.string().min(1).max(255),
  tls: Tls.optional(),
  allowedRoutes: AllowedRoutes.default({ namespaces: { from: 'Same' }, kinds: [] }),
});
export type Listener = z.infer<typeof Listener>;

export const GatewaySpec = z.strictObject({
  gatewayClassName: objectName,
  listeners: z.array(Listener).max(64).default([]).superRefine((listeners, context) => {
    const seen = new Set<string>();
    listeners.forEach(({ name }, i) => {
      if (seen.has(name)) context.addIssue({ code: 'custom', path: [i, 'name'], message: 'must be unique within the Gateway' });
      seen.add(name);
    });
  }),
  addresses: notSupported('listeners bind to --address'),
  allowedListeners: notSupported(),
  backendTLS: notSupported(),
  defaultScope: notSupported(),
  tls: notSupported(),
  infrastructure: z.strictObject({ labels: labels.optional(), annotations: labels.optional(), parametersRef: notSupported() }).optional(),
});
export type GatewaySpec = z.infer<typeof GatewaySpec>;
