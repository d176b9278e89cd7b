// The login as an ext_proc processor: before `jwt`, and asked only where no assertion of a live session came along (filters/session).
import { createHash } from 'node:crypto';
import { RE2JS } from 're2js';
import { OidcPolicy } from '../../policy/oidc.ts';
import type { AssertionClaims } from '../../policy/session.ts';
import type { HeaderList } from '../header-list.ts';
import { Policies } from '../policies.ts';
import type { Authorizer, Stream } from '../processor.ts';
import type { AwaitBody, Decision, Headers, Reply, Respond } from '../reply.ts';
import { assertion, assertionCookie, withoutAssertion } from './assertion.ts';
import { backChannelLogout, backChannelRequest } from './back-channel.ts';
import { callback, loginFailed } from './callback.ts';
import type { OidcContext } from './context.ts';
import { withoutOurs } from './cookies.ts';
import { hasEnded } from './ended.ts';
import { askedClaims, identityHeaders, needsAccessToken, ownHeaders, tokenHeaders } from './identity.ts';
import type { KeyRing } from './keyring.ts';
import { startLogin } from './login.ts';
import { logout } from './logout.ts';
import type { Once } from './once.ts';
import { json, page } from './pages.ts';
import type { Provider } from './provider.ts';
import { fresh } from './refresh.ts';
import { type Facts, facts, originToReturnTo } from './request.ts';
import { returnTo } from './return-to.ts';
import { type Session, alive, endsAt, suffices } from './session.ts';
import { SessionEnded, SessionTooLarge, type Sessions, StoreUnavailable } from './store.ts';
import type { World } from '../world.ts';

/** Namespace of the verdict and of what `jwt` may ask of the session. */
const NAMESPACE = 'gatewright.oidc';

/** A code for tokens takes two requests to the provider. Envoy's message_timeout must be longer. */
const DEADLINE_MS = 24_000;

/** What a browser takes for one cookie. */
const MAX_ASSERTION = 3_800;

export interface OidcParts {
  readonly ring: () => KeyRing;
  readonly world: World;
  readonly provider: (policy: OidcPolicy) => Provider;
  readonly sessions: (policy: OidcPolicy) => Sessions;
  readonly once: (policy: OidcPolicy) => Once;
  readonly tell: (policy: OidcPolicy, event: string, detail?: { readonly reason?: string; readonly requestId?: string }) => void;
}

interface Compiled {
  readonly context: OidcContext;
  readonly denied: (headers: HeaderList) => boolean;
  readonly own: readonly string[];
}

export function oidcProcessor(parts: OidcParts): Authorizer<Compiled> {
  /** To be written once the response comes by. */
  const news = new WeakMap<Stream<Compiled>, News>();
  return {
    name: 'oidc',
    authorizes: true,
    deadline: DEADLINE_MS,
    policies: new Policies((document) => compile(OidcPolicy.parse(document), parts)),
    async onRequestHeaders({ headers, endOfStream }, stream) {
      const decision = await decide(facts(headers), stream.policy, stream.policyId, endOfStream);
      if (decision.kind !== 'through') return decision;
      if (decision.news !== undefined) news.set(stream, decision.news);
      return decision.pass;
    },
    onRequestBody: ({ body }, { policy }) => backChannelLogout(body, policy.context),
    async onResponseHeaders({ headers }, stream) {
      const { session, cookies } = news.get(stream) ?? {};
      return session === undefined || cookies === undefined || await hasEnded(session, stream.policy.context) ? { kind: 'continue' } : withSession(headers, cookies);
    },
  };
}

/** A cache that kept the answer would give somebody's session to everybody (RFC 9111 7.3: Set-Cookie does not keep it from that). */
function withSession(headers: HeaderList, cookies: readonly string[]): Reply {
  const append = cookies.map((cookie) => ['set-cookie', cookie] as const);
  const apart = /(?:^|[\s,])(?:private|no-store)\s*(?:,|$)/i.test(headers.get('cache-control') ?? '');
  return { kind: 'mutate', append, remove: ['cdn-cache-control', 'surrogate-control'], ...(apart ? {} : { set: [['cache-control', 'private, no-cache']] }) };
}

function compile(policy: OidcPolicy, { ring, world, provider, sessions, once, tell }: OidcParts): Compiled {
  return {
    context: { policy, provider: provider(policy), sessions: sessions(policy), once: once(policy), ring, world, tell: (event, detail) => tell(policy, event, detail) },
    denied: compileDeny(policy.denyRedirect),
    own: ownHeaders(policy),
  };
}

function compileDeny(lists: OidcPolicy['denyRedirect']): Compiled['denied'] {
  const compiled = lists.map((list) => list.map(({ name, type, value }) => {
    // RE2, as EG: what a client sends cannot make it slow.
    const expression = type === 'RegularExpression' ? RE2JS.compile(value) : undefined;
    return (headers: HeaderList): boolean => {
      const sent = headers.get(name);
      if (sent === undefined) return false;
      switch (type) {
        case 'Exact': return sent === value;
        case 'Prefix': return sent.startsWith(value);
        case 'Suffix': return sent.endsWith(value);
        case 'RegularExpression': return expression?.matches(sent) === true;
      }
    };
  }));
  return (headers) => compiled.some((matches) => matches.length > 0 && matches.every((match) => match(headers)));
}

/** What the browser is told of its session. */
interface News { readonly session: Session; readonly cookies: readonly string[] }
interface Through { readonly kind: 'through'; readonly pass: Decision; readonly news?: News }

async function decide(request: Facts, compiled: Compiled, policyId: string, endOfStream: boolean): Promise<Decision | AwaitBody | Through> {
  const { context } = compiled;
  const { policy } = context;
  const { path, method } = request;
  const reads = method === 'GET' || method === 'HEAD';
  if (path === policy.jwksPath && policy.identity !== undefined && reads) return keys(context, policy.identity.namespace);
  if (path === policy.backChannelLogoutPath && method === 'POST') return backChannelRequest(request, endOfStream);
  if (request.purpose === 'preflight' && policy.passPreflight) return anonymous(request, compiled);
  try {
    const had = await context.sessions.read(request.cookies);
    // One of before the policy wanted access tokens has none to hand on: the client's own authorization would be in its place.
    const enough = had !== undefined && suffices(had, policy) && (had.accessToken !== undefined || !needsAccessToken(policy));
    const renewed = enough && alive(had, policy, context.world.now()) ? await fresh(had, request, context) : undefined;
    const session = renewed !== undefined && suffices(renewed, policy) ? renewed : undefined;
    if (path === policy.callbackPath && reads) return await callback(request, context, session);
    if (path === policy.logoutPath) return await logout(request, context, session ?? had);
    if (session !== undefined) return await through(session, session !== had, request, compiled, policyId);
    if (policy.passThrough.some(({ name, prefix }) => request.headers.getAll(name).some((value) => value.toLowerCase().startsWith(prefix.toLowerCase())))) return anonymous(request, compiled);
    const answer = await unauthenticated(request, compiled);
    // It is over: the browser need not bring it again. One that does not do here may do elsewhere.
    return !enough ? answer : withCookies(answer, [...await context.sessions.end(had, request.cookies), withoutAssertion(context)]);
  } catch (error) {
    if (error instanceof SessionEnded) return unauthenticated(request, compiled);
    if (error instanceof SessionTooLarge) return loginFailed(error, request, context, { returnTo: returnTo(request) });
    if (!(error instanceof StoreUnavailable)) throw error;
    context.tell('store_unavailable', { requestId: request.requestId });
    return request.purpose === 'navigation'
      ? page('gatewright_oidc_store_unavailable', request, { template: policy.errorPage, again: returnTo(request) })
      : json(503, 'gatewright_oidc_store_unavailable', { error: 'temporarily_unavailable', request_id: request.requestId });
  }
}

/** A live session: the upstream learns whose it is, and the browser gets what has changed. */
async function through(session: Session, changed: boolean, request: Facts, { context, own }: Compiled, policyId: string): Promise<Through> {
  const { policy, world, ring, sessions } = context;
  const now = world.now();
  const moved = policy.session.idleMs > 0 && now - session.seen >= Math.min(policy.session.idleMs / 10, 60_000);
  const current = moved ? { ...session, seen: now } : session;
  const set = await identityHeaders(current, policy, ring(), now);
  const tokens = tokenHeaders(current, policy);
  // Named by what they say: Envoy remembers them by this name, and asks where it does not.
  const forward = tokens.length === 0 ? {} : { forward: createHash('sha256').update(JSON.stringify([policyId, tokens])).digest('base64url').slice(0, 22) };
  const claims = askedClaims(current, policy);
  const cookies = changed || moved ? await sessions.write(current, request.cookies) : [];
  // Who goes on all the time must be seen in time: Envoy tells nobody of requests that it lets pass.
  const unseen = policy.session.idleMs > 0 ? policy.session.idleMs / 10 : Infinity;
  const lives = Math.min(policy.assertionMs, unseen, current.tokensExpire - now, endsAt(current, policy) - now);
  const assertions = lives >= 1000 ? await asserted({ aud: policy.scope, pid: policyId, iat: Math.floor(now / 1000), exp: Math.floor((now + lives) / 1000), set, ...forward, claims }, context, lives) : [];
  return passing(request, own, [...set, ...tokens], { session: current, cookies: [...cookies, ...assertions] }, { claims: JSON.stringify(claims), ...forward, ...(tokens.length === 0 ? {} : { forwarded: JSON.stringify(tokens) }) });
}

async function asserted(claims: AssertionClaims, { policy, ring }: OidcContext, lives: number): Promise<string[]> {
  const cookie = assertionCookie(policy, await assertion(ring(), claims), lives);
  // Who has more to say than fits is asked about each time.
  return cookie.length <= MAX_ASSERTION ? [cookie] : [];
}

/** Nobody is logged in, and need not be: what follows decides. */
function anonymous(request: Facts, { own }: Compiled): Through { return passing(request, own, [], undefined, { claims: '' }); }

function passing({ headers }: Facts, own: readonly string[], set: Headers, news: News | undefined, metadata: Readonly<Record<string, string>>): Through {
  const sent = headers.get('cookie');
  const left = withoutOurs(sent);
  return {
    kind: 'through', ...(news === undefined ? {} : { news }),
    pass: {
      kind: 'pass',
      remove: [...own, ...(sent !== undefined && left === undefined ? ['cookie'] : [])],
      set: [...set, ...(left === undefined || left === sent ? [] : [['cookie', left] as const])],
      metadata: { [NAMESPACE]: metadata },
      ...(news === undefined || news.cookies.length === 0 ? {} : { mode: { responseHeaders: true } }),
    },
  };
}

async function unauthenticated(request: Facts, { context, denied }: Compiled): Promise<Respond> {
  if (request.purpose !== 'navigation' || denied(request.headers)) {
    return json(401, 'gatewright_oidc_login_required', { error: 'login_required', error_description: 'There is no session. Log in by opening the site in a browser.', request_id: request.requestId }, [['www-authenticate', `Bearer realm="${request.authority.replace(/[^\w.:[\]-]/g, '')}"`]]);
  }
  const back = `${originToReturnTo(context.policy, request) ?? ''}${returnTo(request)}`;
  try { return await startLogin(request, context, back); } catch (error) { return loginFailed(error, request, context, { returnTo: back }); }
}

function withCookies(answer: Respond, cookies: readonly string[]): Respond {
  return { ...answer, headers: [...answer.headers ?? [], ...cookies.map((cookie) => ['set-cookie', cookie] as const)] };
}

/** What the identity header is checked by. */
async function keys({ ring }: OidcContext, namespace: string): Promise<Respond> {
  return {
    kind: 'respond', status: 200, details: 'gatewright_oidc_keys', headers: [['content-type', 'application/jwk-set+json'], ['cache-control', 'public, max-age=300'], ['access-control-allow-origin', '*']],
    body: JSON.stringify((await ring().identity(namespace)).publicKeys),
  };
}
