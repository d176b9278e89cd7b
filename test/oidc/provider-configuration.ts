// The configuration of npm's oidc-provider in tests: accounts, clients that are added while it runs, tokens with the claims that tests ask for.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import Provider, { type Adapter, type AdapterPayload, type Configuration, type JWKS, type KoaContextWithOIDC } from 'oidc-provider';

export interface Account { readonly email: string; readonly groups: readonly string[]; readonly roles: readonly string[]; readonly name: string; readonly [claim: string]: unknown }

/** Anybody else may log in, too, with claims made of the name. */
const ACCOUNTS: Readonly<Record<string, Account>> = {
  alice: { name: 'Alice Ångström', email: 'alice@example.com', groups: ['staff', 'admins'], roles: ['admin'] },
  bob: { name: 'Bob', email: 'bob@example.com', groups: ['staff'], roles: [] },
};

export interface Settings {
  /** Of a browser that names none: by `login_hint`, or the header `x-test-account`. `denied` is refused. */
  account: string;
  /** At the provider, by a form or without a word. */
  login: 'auto' | 'form';
  rotateRefreshTokens: boolean;
  /** Without asking for offline_access, too. */
  alwaysRefreshTokens: boolean;
  accessTokenSeconds: number;
  /** More claims of everybody, such as to make a token of 12 kB. */
  claims: Readonly<Record<string, unknown>>;
}

export interface Surroundings {
  readonly settings: Settings;
  readonly storage: Map<string, AdapterPayload>;
  /** How the provider reaches the back-channel logout of a client. */
  readonly send: (url: URL, init: RequestInit) => Promise<Response>;
}

export function configuration(jwks: JWKS, { settings, storage, send }: Surroundings): Configuration {
  return {
    jwks,
    adapter: adapterOf(storage),
    cookies: { keys: ['a key of the tests'], short: { signed: true }, long: { signed: true } },
    claims: { acr: null, auth_time: null, iss: null, sid: null, openid: ['sub'], email: ['email'], profile: ['name'], groups: ['groups'], roles: ['roles'], more: Object.keys(settings.claims) },
    scopes: ['openid', 'offline_access', 'email', 'profile', 'groups', 'roles', 'more'],
    acrValues: ['urn:test:password', 'urn:test:mfa'],
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      resourceIndicators: { enabled: true, defaultResource: async () => undefined as never, useGrantedResource: async () => true, getResourceServerInfo: async (_ctx, resource) => ({ scope: 'openid', audience: resource, accessTokenFormat: 'jwt' }) },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => { ctx.body = page('Log out?', form.replace('</form>', '<input type="hidden" name="logout" value="yes"/><button>Yes, log me out</button></form>')); },
        postLogoutSuccessSource: (ctx) => { ctx.body = page('Logged out', '<p>You are logged out.</p>'); },
      },
    },
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub, ...(ACCOUNTS[sub] ?? { name: sub, email: `${sub}@example.com`, groups: [], roles: [] }), ...settings.claims }) }),
    loadExistingGrant: grantAll,
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    issueRefreshToken: async (_ctx, client, code) => client.grantTypeAllowed('refresh_token') && (settings.alwaysRefreshTokens || code.scopes.has('offline_access')),
    rotateRefreshToken: () => settings.rotateRefreshTokens,
    expiresWithSession: () => false,
    clientBasedCORS: () => false,
    renderError: (ctx, out) => { ctx.type = 'html'; ctx.body = page('Error', `<pre>${JSON.stringify(out).replaceAll('<', '&lt;')}</pre>`); },
    ttl: { AccessToken: () => settings.accessTokenSeconds, AuthorizationCode: 60, Grant: 86_400, IdToken: 3_600, Interaction: 3_600, RefreshToken: 86_400, Session: 86_400 },
    fetch: (url, init) => send(new URL(`${url as URL}`), init as RequestInit),
  };
}

/** Logs in whom the request names; true where the request was for a login. */
export async function interaction(provider: Provider, { login, account }: Settings, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  if (request.url?.startsWith('/interaction/') !== true) return false;
  const { params, prompt } = await provider.interactionDetails(request, response);
  const named = params['login_hint'] ?? request.headers['x-test-account'];
  if (login === 'form' && request.method === 'GET') {
    response.setHeader('content-type', 'text/html; charset=utf-8').end(page('Log in', '<form method="post"><label>User <input name="user" autofocus required></label> <button type="submit">Log in</button></form>'));
    return true;
  }
  const user = login === 'form' ? new URLSearchParams(await text(request)).get('user') ?? '' : typeof named === 'string' ? named : account;
  const acr = typeof params['acr_values'] === 'string' ? params['acr_values'].split(' ')[0] : 'urn:test:password';
  const result = user === 'denied' || prompt.name !== 'login' ? { error: 'access_denied', error_description: 'This user may not log in' } : { login: { accountId: user, acr: acr ?? '' } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  return true;
}

/** Nobody is asked whether the client may. */
async function grantAll(ctx: KoaContextWithOIDC): Promise<InstanceType<Provider['Grant']> | undefined> {
  const { client, session, params, provider } = ctx.oidc;
  if (client === undefined || session?.accountId === undefined) return undefined;
  const known = session.grantIdFor(client.clientId);
  const grant = (known === undefined ? undefined : await provider.Grant.find(known)) ?? new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(`${params?.['scope']}`);
  for (const resource of [params?.['resource'] ?? []].flat()) grant.addResourceScope(`${resource}`, 'openid');
  await grant.save();
  return grant;
}

function page(title: string, body: string): string { return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title></head><body><h1>${title}</h1>${body}</body></html>`; }

/** In memory, and outlives the provider: one with other keys goes on with it. */
function adapterOf(storage: Map<string, AdapterPayload>): new (name: string) => Adapter {
  return class implements Adapter {
    readonly #name: string;
    constructor(name: string) { this.#name = name; }
    #key(id: string): string { return `${this.#name}:${id}`; }
    #first(test: (payload: AdapterPayload) => boolean): AdapterPayload | undefined {
      for (const [key, payload] of storage) if (key.startsWith(`${this.#name}:`) && test(payload)) return payload;
      return undefined;
    }
    async upsert(id: string, payload: AdapterPayload): Promise<void> { storage.set(this.#key(id), { ...payload }); }
    async find(id: string): Promise<AdapterPayload | undefined> { const found = storage.get(this.#key(id)); return found === undefined ? undefined : { ...found }; }
    async findByUserCode(userCode: string): Promise<AdapterPayload | undefined> { return this.#first((payload) => payload.userCode === userCode); }
    async findByUid(uid: string): Promise<AdapterPayload | undefined> { return this.#first((payload) => payload.uid === uid); }
    async consume(id: string): Promise<void> { const found = storage.get(this.#key(id)); if (found !== undefined) found.consumed = Math.floor(Date.now() / 1000); }
    async destroy(id: string): Promise<void> { storage.delete(this.#key(id)); }
    async revokeByGrantId(grantId: string): Promise<void> { for (const [key, payload] of storage) if (payload.grantId === grantId) storage.delete(key); }
  };
}
