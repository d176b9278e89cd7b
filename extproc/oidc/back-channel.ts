// The provider ends sessions by itself (OIDC Back-Channel Logout 1.0). Only a store can: what is in the cookies of a browser is out of reach.
import type { Respond } from '../reply.ts';
import type { OidcContext } from './context.ts';
import { json } from './pages.ts';
import { InvalidAnswer, ProviderRefused, ProviderUnavailable } from './provider.ts';

/** A form with one token in it. */
export const MAX_BODY = 65_536;

export async function backChannelLogout(body: Uint8Array, { provider, sessions, tell, world }: OidcContext): Promise<Respond> {
  if (body.length > MAX_BODY) return refused('the body is too large');
  const token = new URLSearchParams(Buffer.from(body).toString('utf8')).get('logout_token');
  if (token === null || sessions.endAll === undefined || sessions.firstTime === undefined) return refused('logout_token is missing');
  try {
    const { sub, sid, jti, exp } = await provider.logoutToken(token);
    if (!await sessions.firstTime(`jti:${jti}`, Math.max(1, exp - world.now()))) return refused('logout_token was used before');
    await sessions.endAll({ ...(sub === undefined ? {} : { sub }), ...(sid === undefined ? {} : { sid }) });
    tell('back_channel_logout');
    return { kind: 'respond', status: 200, details: 'gatewright_oidc_back_channel_logout', headers: [['cache-control', 'no-store']] };
  } catch (error) {
    if (error instanceof ProviderUnavailable) return json(503, 'gatewright_oidc_provider_unavailable', { error: 'temporarily_unavailable' });
    if (error instanceof InvalidAnswer || error instanceof ProviderRefused) return refused('logout_token is not valid');
    throw error;
  }
}

function refused(description: string): Respond { return json(400, 'gatewright_oidc_back_channel_refused', { error: 'invalid_request', error_description: description }); }
