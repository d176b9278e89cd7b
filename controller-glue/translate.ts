// Resources → IR and statuses. Pure, and the order of the work is the list below.
import type { Attached, Draft, Settings } from './draft.ts';
import type { Ir } from './ir.ts';
import { lookup } from './lookup.ts';
import { byKind } from './policy-kinds.ts';
import type { Problem } from './problem.ts';
import type { Resources } from './resources.ts';
import type { ObjectStatus } from './status.ts';
import { acceptClasses } from './steps/accept-classes.ts';
import { acceptGateways } from './steps/accept-gateways.ts';
import { acceptRoutes } from './steps/accept-routes.ts';
import { attachPolicies } from './steps/attach-policies.ts';
import { bindPorts } from './steps/bind-ports.ts';
import { buildTables } from './steps/build-tables.ts';
import { checkLogins } from './steps/check-logins.ts';
import { closeUnsupported } from './steps/close-unsupported.ts';
import { readBackends } from './steps/read-backends.ts';
import { readPolicies } from './steps/read-policies.ts';
import { reportRefusals } from './steps/report-refusals.ts';
import { settleListeners } from './steps/settle-listeners.ts';
import { writeStatuses } from './steps/write-statuses.ts';

export interface Translated {
  readonly ir: Ir;
  readonly statuses: readonly ObjectStatus[];
  /** What only shows once the objects are looked at together; load has reported the rest. */
  readonly problems: readonly Problem[];
}

type Step = (draft: Draft) => void;

/** The whole translation. A new policy kind is one new row in policy-kinds.ts. */
const steps: readonly Step[] = [
  acceptClasses,
  acceptGateways,
  bindPorts,
  readBackends,
  acceptRoutes,
  readPolicies,
  attachPolicies,
  settleListeners,
  closeUnsupported,
  buildTables,
  checkLogins,
  reportRefusals,
  writeStatuses,
];

/** EG's name: its YAML must run here as it is. */
const CONTROLLER_NAME = 'gateway.envoyproxy.io/gatewayclass-controller';

export function translate(resources: Resources, options: Partial<Settings> = {}): Translated {
  const draft: Draft = {
    settings: {
      controllerName: options.controllerName ?? configuredName(resources) ?? CONTROLLER_NAME,
      portOffset: options.portOffset ?? 10_000,
      address: options.address ?? '127.0.0.1',
      tag: options.tag ?? (() => 'secret'),
      unavailable: options.unavailable ?? new Map(),
    },
    resources, find: lookup(resources),
    classes: [], gateways: [], routes: [], backends: new Map(), clusters: new Map(), keySets: new Map(), policies: byKind<Draft['policies']>(() => []), attached: byKind<Attached>(() => new Map()), closed: new Map(),
    unsupported: [], problems: [], statuses: [], ir: { gateways: [] },
  };
  for (const step of steps) step(draft);
  return { ir: draft.ir, statuses: draft.statuses, problems: draft.problems };
}

/** The EnvoyGateway document names the controller, unless the caller does. */
function configuredName({ envoyGateways }: Resources): string | undefined {
  return envoyGateways.map(({ spec }) => spec.gateway?.controllerName).find((name) => name !== undefined);
}
