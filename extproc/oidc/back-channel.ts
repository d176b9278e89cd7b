// The provider ends sessions by itself (OIDC Back-Channel Logout 1.0). Only a store can: what is in the cookies of a browser is out of reach.
import type { AwaitBody, Respond } from '../reply.ts';
import type { OidcContext } from './context.ts';
import { json } from './pages.ts';
import { ProviderError } from './provider.ts';
import type { Facts } from './request.ts';
import { StoreUnavailable } from './store.ts';

/** A form with one token in it. What is much larger than its buffer Envoy would hold, over HTTP/1, until nobody waits any more. */
const MAX_BODY = 32_768;
/** A token is taken for so much longer than it says (verify.ts), and remembered for longer still. */
const SLACK_MS = 120_000;

/** What is there to see before the body. */
export function backChannelRequest({ headers }: Facts, endOfStream: boolean): Respond | AwaitBody {
  if (endOfStream) return refused('logout_token is missing');
  return Number(headers.get('content-length') ?? 0) > MAX_BODY ? refused('the body is too large') : { kind: 'await_body' };
}

export async function backChannelLogout(body: Uint8Array, { provider, sessions, tell, world }: OidcContext): Promise<Respond> {
  if (body.length > MAX_BODY) return refused('the body is too large');
  const token = new URLSearchParams(Buffer.from(body).toString('utf8')).get('logout_token');
  if (token === null || sessions.endAll === undefined) return refused('logout_token is missing');
  try {
    const { sub, sid, jti, exp } = await provider.logoutToken(token);
    const ended = await sessions.endAll({ ...(sub === undefined ? {} : { sub }), ...(sid === undefined ? {} : { sid }) }, { key: `jti:${jti}`, ttlMs: exp - world.now() + SLACK_MS });
    if (ended === undefined) return refused('logout_token was used before');
    tell('back_channel_logout');
    return { kind: 'respond', status: 200, details: 'gatewright_oidc_back_channel_logout', headers: [['cache-control', 'no-store']] };
  } catch (error) {
    // The provider asks again.
    if (error instanceof ProviderError && error.passing) return json(503, 'gatewright_oidc_provider_unavailable', { error: 'temporarily_unavailable' });
    if (error instanceof StoreUnavailable) return json(503, 'gatewright_oidc_store_unavailable', { error: 'temporarily_unavailable' });
    if (error instanceof ProviderError) return refused('logout_token is not valid');
    throw error;
  }
}

function refused(description: string): Respond { return json(400, 'gatewright_oidc_back_channel_refused', { error: 'invalid_request', error_description: description }); }
