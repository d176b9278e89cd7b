// EnvoyGateway, gateway.envoyproxy.io/v1alpha1: the controller's own configuration. It has no spec, and often no metadata.
import { z } from 'zod';
import { ignored, notSupported } from './not-supported.ts';

export const EnvoyGatewayBody = z.strictObject({
  gateway: z.strictObject({ controllerName: z.string().min(1).max(253).optional() }).optional(),
  extensionApis: z.strictObject({
    enableBackend: z.boolean().optional(),
    enableEnvoyPatchPolicy: z.boolean().optional(),
    disableLua: z.boolean().optional(),
  }).optional(),
  // How EG itself runs; where we run is said by the command line.
  provider: ignored,
  logging: ignored,
  admin: ignored,
  telemetry: ignored,
  leaderElection: ignored,
  runtimeFlags: ignored,
  xdsServer: ignored,
  rateLimit: notSupported(),
  extensionManager: notSupported(),
  envoyProxy: notSupported(),
  gatewayAPIs: notSupported(),
  spec: ignored,
});
export type EnvoyGatewayBody = z.infer<typeof EnvoyGatewayBody>;
