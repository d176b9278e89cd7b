// Back from the provider.
import { cookieName } from '../../policy/oidc.ts';
import type { Respond } from '../reply.ts';
import { withoutAssertion } from './assertion.ts';
import type { OidcContext } from './context.ts';
import { type LoginState, MAX_ATTEMPTS, goOn, loginCookie, readState, sameBrowser, startLogin } from './login.ts';
import { page } from './pages.ts';
import { InvalidAnswer, ProviderError, ProviderRefused, type Tokens } from './provider.ts';
import type { Facts } from './request.ts';
import { newSession } from './refresh.ts';
import { type Session, alive, suffices } from './session.ts';
import { SessionTooLarge } from './store.ts';

export async function callback(facts: Facts, context: OidcContext, live: Session | undefined): Promise<Respond> {
  const { policy, once, tell } = context;
  const query = new URLSearchParams(facts.query);
  const state = await readState(query.get('state') ?? '', context);
  // Another tab was quicker, or this page is loaded again. A login that has been asked for takes the place of a session that did not do.
  if (live !== undefined && (state === undefined || !sameBrowser(state, facts, context))) return goOn(state?.returnTo ?? '/', [], context);
  // A provider that does not give the state back would send the browser round for ever. Its words are not shown: anybody can put them into a link.
  if (state === undefined && query.has('error')) {
    tell('login_failed', { reason: 'provider_refused', requestId: facts.requestId });
    return failed('gatewright_oidc_provider_refused', facts, context, { returnTo: '/' });
  }
  // Sealed by a key that is gone, too old, or made up: a new login is the way out, whatever it was.
  if (state === undefined) return startLogin(facts, context, '/', 1);
  if (!sameBrowser(state, facts, context)) {
    if (state.attempt + 1 < MAX_ATTEMPTS) return startLogin(facts, context, state.returnTo, state.attempt + 1);
    tell('login_failed', { reason: 'no_cookies', requestId: facts.requestId });
    return failed('gatewright_oidc_no_cookies', facts, context, state);
  }
  if (!await once.claim(`state:${state.id}`, policy.loginMs)) {
    if (live !== undefined) return goOn(state.returnTo, [], context);
    tell('login_failed', { reason: 'state_replayed', requestId: facts.requestId });
    return failed('gatewright_oidc_state_replayed', facts, context, state);
  }
  try {
    return await begin(await context.provider.exchange(query, { redirectUri: state.redirectUri, state: query.get('state') ?? '', nonce: state.nonce, verifier: state.verifier }), facts, context, state);
  } catch (error) { return loginFailed(error, facts, context, state); }
}

async function begin(tokens: Tokens, facts: Facts, context: OidcContext, state: LoginState): Promise<Respond> {
  const { policy, world, sessions, tell } = context;
  const lifetime = tokens.expiresInMs ?? policy.defaultTokenMs;
  if (lifetime <= 0) {
    tell('login_failed', { reason: 'token_without_end', requestId: facts.requestId });
    return failed('gatewright_oidc_token_without_end', facts, context, state);
  }
  const session = newSession({ ...tokens, expiresInMs: lifetime }, context);
  if (!alive(session, policy, world.now())) return failed('gatewright_oidc_token_without_end', facts, context, state);
  if (!suffices(session, state)) throw new InvalidAnswer('login_too_weak');
  const cookies = await sessions.write(session, facts.cookies);
  tell('login');
  // What Envoy has let the requests of somebody else pass by may be there yet. One that is Strict does not come along from the provider.
  const passed = policy.cookies.sameSite === 'Strict' || facts.headers.get('cookie')?.includes(`${cookieName('assertion', policy)}=`) === true;
  return goOn(state.returnTo, [...cookies, ...(passed ? [withoutAssertion(context)] : []), loginCookie(context, '', 0)], context);
}

function failed(reason: Parameters<typeof page>[0], facts: Facts, { policy }: OidcContext, state: Pick<LoginState, 'returnTo'>, said?: string): Respond {
  return page(reason, facts, { template: policy.errorPage, again: state.returnTo, said });
}

/** `state`: of the login that failed; where it leads is tried again. */
export function loginFailed(error: unknown, facts: Facts, context: OidcContext, state: Pick<LoginState, 'returnTo'>): Respond {
  if (!(error instanceof ProviderError || error instanceof SessionTooLarge)) throw error;
  context.tell('login_failed', { reason: error instanceof SessionTooLarge ? 'session_too_large' : error.reason, requestId: facts.requestId });
  if (error instanceof SessionTooLarge) return failed('gatewright_oidc_session_too_large', facts, context, state);
  if (error.passing) return failed('gatewright_oidc_provider_unavailable', facts, context, state);
  if (!(error instanceof ProviderRefused)) return failed('gatewright_oidc_answer_invalid', facts, context, state);
  if (error.code === 'invalid_grant') return failed('gatewright_oidc_code_refused', facts, context, state);
  return failed('gatewright_oidc_provider_refused', facts, context, state, error.description ?? error.code);
}
