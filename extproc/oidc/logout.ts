// Out: here at once, then at the provider (OIDC RP-Initiated Logout 1.0).
import type { Respond } from '../reply.ts';
import { withoutAssertion } from './assertion.ts';
import type { OidcContext } from './context.ts';
import { remember } from './ended.ts';
import { loginCookie } from './login.ts';
import { confirmLogout, json, redirect } from './pages.ts';
import { ProviderError } from './provider.ts';
import { type Facts, fromElsewhere, lookedUpAhead } from './request.ts';
import type { Session } from './session.ts';

export async function logout(facts: Facts, context: OidcContext, session: Session | undefined): Promise<Respond> {
  const { policy, provider, sessions, tell } = context;
  if (lookedUpAhead(facts)) return json(403, 'gatewright_oidc_logout_asked', { error: 'access_denied', error_description: 'Nobody is logged out before somebody clicks.', request_id: facts.requestId });
  // A link or a form of another site: the person says whether it is meant. Without a session, too: SameSite may keep the cookies from us, and not our answer from them.
  if (fromElsewhere(facts)) return confirmLogout(policy.logoutPath);
  if (session !== undefined) await remember(session, context);
  const cookies = [...await sessions.end(session, facts.cookies), withoutAssertion(context), loginCookie(context, '', 0)];
  const local = policy.postLogoutRedirectUrl ?? '/';
  if (session === undefined) return redirect(local, 'gatewright_oidc_logged_out', cookies);
  tell('logout');
  try {
    const url = await provider.endSessionUrl({ idTokenHint: session.idToken, ...(policy.postLogoutRedirectUrl === undefined ? {} : { postLogoutRedirectUri: policy.postLogoutRedirectUrl }) });
    return redirect(url?.href ?? local, 'gatewright_oidc_logged_out', cookies);
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    return redirect(local, 'gatewright_oidc_logged_out', cookies);
  }
}
