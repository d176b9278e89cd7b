// Writes draft.gateways: the Gateways of our classes, and which of their listeners can serve.
import { isFalse, withCondition } from '../condition.ts';
import { condition } from '../draft.ts';
import type { Draft, DraftGateway, DraftListener } from '../draft.ts';
import { GATEWAY_API } from '../kinds.ts';
import type { GatewaySpec, Listener } from '../kinds/gateway.ts';
import { older } from '../lookup.ts';
import { problemAt } from '../problem-at.ts';
import type { Problem } from '../problem.ts';
import type { Resource } from '../resources.ts';
import { resolveCertificates } from './listener-certificates.ts';

const HTTP_ROUTE = { group: GATEWAY_API, kind: 'HTTPRoute' };

export function acceptGateways(draft: Draft): void {
  const classes = new Map(draft.classes.map((each) => [each.resource.metadata.name, each]));
  const others = new Set(draft.resources.gatewayClasses.map(({ metadata }) => metadata.name));
  for (const resource of draft.resources.gateways.toSorted(older)) {
    const ours = classes.get(resource.spec.gatewayClassName);
    if (ours === undefined) {
      // Another controller's class is none of our business; a class that is nowhere probably is a mistake.
      if (!others.has(resource.spec.gatewayClassName)) {
        draft.problems.push(problemAt(resource, { path: 'spec.gatewayClassName', severity: 'warning', message: `there is no GatewayClass ${resource.spec.gatewayClassName}: the Gateway is not served` }));
      }
      continue;
    }
    const refused = ours.accepted ? refusal(resource.problems) : { reason: 'Pending', message: `GatewayClass ${resource.spec.gatewayClassName} is not accepted` };
    const listeners = resource.spec.listeners.map((spec, i) => listener(resource, spec, i, draft));
    markConflicts(listeners);
    for (const each of listeners) each.usable = refused === undefined && serves(each);
    draft.gateways.push({ resource, listeners, ...(refused === undefined ? {} : { refused }) });
  }
}

/** What is at fault beyond single listeners. */
function refusal(problems: readonly Problem[]): DraftGateway['refused'] {
  const own = problems.filter(({ path }) => !/^spec\.listeners\[\d+\]./.test(path));
  if (own.length === 0) return undefined;
  const reason = own.every(({ path }) => path.startsWith('spec.addresses')) ? 'UnsupportedAddress' : 'InvalidParameters';
  return { reason, message: own.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ') };
}

function listener(gateway: Resource<GatewaySpec>, spec: Listener, index: number, draft: Draft): DraftListener {
  const port = spec.port < 1024 ? spec.port + draft.settings.portOffset : spec.port;
  const result: DraftListener = { gateway, spec, port, conditions: [], supportedKinds: [HTTP_ROUTE], certificates: [], usable: false, attachedRoutes: 0 };
  const say = (type: string, status: boolean, reason: string, message: string) => {
    result.conditions = withCondition(result.conditions, condition(gateway, type, status, reason, message));
  };
  const own = gateway.problems.filter(({ path }) => path.startsWith(`spec.listeners[${index}].`));
  if (own.length > 0) say('Accepted', false, 'UnsupportedValue', own.map(({ path, message }) => `${path}: ${message}`).join('; '));
  const { protocol, tls, allowedRoutes: { kinds, namespaces } } = spec;
  if (protocol !== 'HTTP' && protocol !== 'HTTPS') {
    result.supportedKinds = [];
    say('Accepted', false, 'UnsupportedProtocol', `Protocol ${protocol} is unsupported, must be HTTP or HTTPS.`);
  } else if (protocol === 'HTTP' && tls !== undefined) {
    say('Accepted', false, 'UnsupportedValue', 'Listener must not have TLS set when protocol is HTTP.');
  } else if (protocol === 'HTTPS' && tls === undefined) {
    say('Accepted', false, 'UnsupportedValue', 'Listener must have TLS set when protocol is HTTPS.');
  } else if (protocol === 'HTTPS' && tls?.mode === 'Passthrough') {
    say('Accepted', false, 'UnsupportedValue', 'TLS Passthrough mode is not supported, TLS mode must be Terminate.');
  } else if (protocol === 'HTTPS') {
    resolveCertificates(result, draft.find, say);
  }
  if (namespaces.from === 'Selector' && namespaces.selector === undefined) {
    say('Accepted', false, 'UnsupportedValue', 'The allowedRoutes.namespaces.selector field must be specified when allowedRoutes.namespaces.from is set to "Selector".');
  }
  if (kinds.length > 0 && result.supportedKinds.length > 0) {
    const wrong = kinds.filter((each) => each.group !== HTTP_ROUTE.group || each.kind !== HTTP_ROUTE.kind);
    result.supportedKinds = wrong.length === kinds.length ? [] : [HTTP_ROUTE];
    if (wrong.length > 0) say('ResolvedRefs', false, 'InvalidRouteKinds', `${wrong.map(({ kind }) => kind).join(', ')} is not supported, kind must be HTTPRoute`);
  }
  return result;
}

/** A listener with bad references is accepted, but without a certificate or a kind of route left it cannot serve. */
function serves({ conditions, spec, certificates, supportedKinds }: DraftListener): boolean {
  return !isFalse(conditions, 'Accepted') && supportedKinds.length > 0 && (spec.protocol === 'HTTP' || certificates.length > 0);
}

/** Gateway API: listeners of a Gateway must be distinct by port, protocol and hostname; among those that are not, there is no winner. */
function markConflicts(listeners: readonly DraftListener[]): void {
  const sound = listeners.filter(({ spec, conditions }) => (spec.protocol === 'HTTP' || spec.protocol === 'HTTPS') && !isFalse(conditions, 'Accepted'));
  for (const onPort of Map.groupBy(sound, ({ spec }) => spec.port).values()) {
    if (new Set(onPort.map(({ spec }) => spec.protocol)).size > 1) {
      conflict(onPort, 'ProtocolConflict', 'All listeners for a given port must use a compatible protocol, conflicting listeners: ');
      continue;
    }
    for (const same of Map.groupBy(onPort, ({ spec }) => spec.hostname ?? '').values()) {
      if (same.length > 1) conflict(same, 'HostnameConflict', 'All listeners for a given port must use a unique hostname, conflicting listeners: ');
    }
  }
}

function conflict(listeners: readonly DraftListener[], reason: string, text: string): void {
  const message = text + listeners.map(({ spec }) => spec.name).sort().join(', ');
  for (const each of listeners) {
    each.conditions = withCondition(each.conditions, condition(each.gateway, 'Conflicted', true, reason, message));
    each.conditions = withCondition(each.conditions, condition(each.gateway, 'Accepted', false, reason, message));
  }
}
