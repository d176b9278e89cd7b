// What the policies on connections make of one port and of one filter chain on it.
import type { ListenerLimit } from '../../policy/connection-limit.ts';
import type { Draft, DraftListener, PortSettings } from '../draft.ts';
import type { IrChain, IrAuthority, IrListener } from '../ir.ts';
import { compare } from '../lookup.ts';
import { applied, deciding, listenerPlaces } from './deciding.ts';

/** EG's, and Envoy's own advice for the edge: a slow reader must not make us buffer a megabyte. */
const BUFFER_LIMIT_BYTES = 32_768;
/** EG's: one by one, so that workers that are less busy get the others. 0 stands for all that wait. */
const ACCEPTS_PER_EVENT = 1;

/** Listeners that differ have been closed (settle-listeners.ts): the first word counts. */
export function portTraffic(listeners: readonly DraftListener[], draft: Draft): Pick<IrListener, 'bufferLimitBytes' | 'acceptsPerEvent'> {
  const setting = (name: keyof PortSettings) => listeners.map((listener) => traffic(listener, draft)?.port[name]).find((value) => value !== undefined);
  const acceptsPerEvent = setting('acceptsPerEvent') ?? ACCEPTS_PER_EVENT;
  return { bufferLimitBytes: setting('bufferLimitBytes') ?? BUFFER_LIMIT_BYTES, ...(acceptsPerEvent === 0 ? {} : { acceptsPerEvent }) };
}

/** `listeners`: those that share the chain. EG's limit comes first, then ours: both hold. */
export function chainTraffic(listeners: readonly DraftListener[], draft: Draft): Pick<IrChain, 'clientValidation' | 'limits' | 'http'> {
  const own = listeners.map((listener) => traffic(listener, draft)).find((effect) => effect !== undefined);
  const limits = listeners.map((listener) => applied(deciding('ConnectionLimitPolicy', listenerPlaces(listener), draft))).find((effect) => effect !== undefined);
  const secure = listeners.some(({ spec }) => spec.protocol === 'HTTPS');
  return {
    ...(own?.clientValidation === undefined || !secure ? {} : { clientValidation: { authority: own.clientValidation.authority.name, optional: own.clientValidation.optional } }),
    limits: [...own?.limits ?? [], ...(limits?.limits ?? []).filter(({ per }) => listeners.some((listener) => tells(per, listener, draft)))],
    http: own?.http ?? {},
  };
}

/** Do connections to this listener have what such a limit tells them by? One that could never count any is left out (settle-listeners.ts says so to the user). */
export function tells(per: ListenerLimit['per'], listener: DraftListener, draft: Draft): boolean {
  const secure = listener.spec.protocol === 'HTTPS';
  switch (per) {
    case 'ServerName': return secure;
    case 'ClientCertificate': return secure && traffic(listener, draft)?.clientValidation !== undefined;
    case 'Listener': case 'Gateway': case 'SourceIP': return true;
  }
}

/** The authorities that these listeners verify clients by, each once. */
export function clientAuthorities(listeners: readonly DraftListener[], draft: Draft): IrAuthority[] {
  const found = listeners.filter(({ spec }) => spec.protocol === 'HTTPS').flatMap((listener) => traffic(listener, draft)?.clientValidation?.authority ?? []);
  return [...new Map(found.map((authority) => [authority.name, authority])).values()].sort((a, b) => compare(a.name, b.name));
}

function traffic(listener: DraftListener, draft: Draft) { return applied(deciding('ClientTrafficPolicy', listenerPlaces(listener), draft)); }
