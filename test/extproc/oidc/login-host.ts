// The login without network: the processor in the test host, a provider that answers as told, a browser that is its cookies.
import { KeyRing, newKeyRing } from '../../../extproc/oidc/keyring.ts';
import { onceAlone } from '../../../extproc/oidc/once.ts';
import { type OidcParts, oidcProcessor } from '../../../extproc/oidc/processor.ts';
import type { LoginParameters, Provider, Tokens } from '../../../extproc/oidc/provider.ts';
import { cookieSessions } from '../../../extproc/oidc/store.ts';
import { type HostAnswer, type HostOptions, type HostRequest, TestHost } from '../../../extproc/test-host.ts';
import { type World, realWorld } from '../../../extproc/world.ts';
import { OidcPolicy, oidcDocument } from '../../../policy/oidc.ts';

export const POLICY_ID = 'p1';
export const START = Date.UTC(2026, 10, 23);

export function policyOf(more: Partial<OidcPolicy> = {}): OidcPolicy {
  return OidcPolicy.parse({
    name: 'default/oidc', scope: 'abcdefghij', provider: { issuer: 'https://provider.test' }, clientId: 'app', clientAuthentication: { method: 'none' }, scopes: ['openid'],
    redirectUrl: 'https://www.example.com:8443/oauth2/callback', callbackPath: '/oauth2/callback', logoutPath: '/logout', ...more,
  });
}

/** Unsigned: whoever verifies it is not here. */
export function idToken(claims: object): string { return ['{"alg":"ES256"}', JSON.stringify(claims), 'x'].map((part) => Buffer.from(part).toString('base64url')).join('.'); }

export class FakeProvider implements Provider {
  claims: Record<string, unknown> = { iss: 'https://provider.test', sub: 'ann', email: 'ann@example.com', groups: ['admins'], address: { city: 'Bern' } };
  tokens: Partial<Tokens> = { accessToken: 'the access token', refreshToken: 'r0', expiresInMs: 300_000 };
  /** Thrown instead of an answer. */
  failure: Error | undefined;
  failures: Partial<Record<keyof Provider, Error>> = {};
  endSession: string | undefined = 'https://provider.test/end';
  readonly calls: string[] = [];
  readonly logins: LoginParameters[] = [];
  /** Refreshes wait for it. */
  gate: Promise<void> = Promise.resolve();

  async #answer(call: keyof Provider): Promise<Tokens> {
    this.calls.push(call);
    const failure = this.failure ?? this.failures[call];
    if (failure !== undefined) throw failure;
    return { idToken: idToken(this.claims), claims: this.claims, accessToken: '', ...this.tokens } as Tokens;
  }
  async authorizationUrl(login: LoginParameters): Promise<URL> {
    await this.#answer('authorizationUrl');
    this.logins.push(login);
    return new URL(`https://provider.test/auth?${new URLSearchParams({ state: login.state, redirect_uri: login.redirectUri })}`);
  }
  exchange(): Promise<Tokens> { return this.#answer('exchange'); }
  async refresh(): Promise<Tokens> { await this.gate; return this.#answer('refresh'); }
  async endSessionUrl({ postLogoutRedirectUri = '' }: { postLogoutRedirectUri?: string }): Promise<URL | undefined> {
    await this.#answer('endSessionUrl');
    return this.endSession === undefined ? undefined : new URL(`${this.endSession}?${new URLSearchParams({ to: postLogoutRedirectUri })}`);
  }
  async logoutToken(): Promise<{ sub: string; jti: string; exp: number }> {
    await this.#answer('logoutToken');
    return { sub: 'ann', jti: 'j1', exp: START + 60_000 };
  }
}

/** Cookies by name, as a browser of one host keeps them; Max-Age by the test's clock. */
export class Jar {
  readonly cookies = new Map<string, string>();
  /** All Set-Cookie lines ever. */
  readonly lines: string[] = [];
  take({ headers }: Pick<HostAnswer, 'headers'>): void {
    for (const [name, line] of headers) {
      if (name !== 'set-cookie') continue;
      this.lines.push(line);
      const [, key = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (/; Max-Age=0(;|$)/i.test(line)) this.cookies.delete(key);
      else this.cookies.set(key, value);
    }
  }
  get header(): string { return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '); }
}

export interface LoginHost {
  readonly provider: FakeProvider;
  readonly events: string[];
  readonly ring: KeyRing;
  clock(milliseconds: number): void;
  /** Everything as a browser does it: cookies sent and taken. */
  visit(jar: Jar, path: string, request?: HostRequest): Promise<HostAnswer>;
  /** The provider sends the browser back. */
  comeBack(jar: Jar, answer: HostAnswer): Promise<HostAnswer>;
  /** From a deep link to the page behind it. */
  login(jar: Jar, path?: string): Promise<HostAnswer>;
}

const NAVIGATION: [string, string][] = [['accept', 'text/html'], ['sec-fetch-mode', 'navigate'], ['sec-fetch-site', 'none']];

export async function loginHost(policy: OidcPolicy = policyOf(), parts: Partial<OidcParts> = {}, upstream: HostOptions['upstream'] = { status: 200 }): Promise<LoginHost> {
  let now = START;
  const world: World = { ...realWorld, now: () => now };
  const ring = parts.ring?.() ?? await KeyRing.of(await newKeyRing(world));
  const provider = new FakeProvider();
  const events: string[] = [];
  const once = onceAlone(world);
  const processor = oidcProcessor({
    ring: () => ring, world, provider: () => provider, sessions: (each) => cookieSessions(() => ring, each, world), once: () => once,
    tell: (_, event, detail) => { events.push(detail?.reason === undefined ? event : `${event}: ${detail.reason}`); }, ...parts,
  });
  processor.policies.add(POLICY_ID, oidcDocument(policy));
  const host = new TestHost(processor, { guard: 'oidc', messageTimeout: 25_000, upstream });
  const visit: LoginHost['visit'] = async (jar, path, request = {}) => {
    const answer = await host.request({
      path, host: 'www.example.com:8443', metadata: { 'gatewright-policy': POLICY_ID },
      ...request, headers: [...(request.headers ?? NAVIGATION), ...(jar.header === '' ? [] : [['cookie', jar.header] as const])],
    });
    jar.take(answer);
    return answer;
  };
  const comeBack: LoginHost['comeBack'] = (jar, answer) => visit(jar, `/oauth2/callback?${new URLSearchParams({ code: 'c', state: new URL(location(answer)).searchParams.get('state') ?? '' })}`);
  return {
    provider, events, ring, visit, comeBack, clock: (milliseconds) => { now += milliseconds; },
    login: async (jar, path = '/') => visit(jar, location(await comeBack(jar, await visit(jar, path)))),
  };
}

export function location({ headers }: Pick<HostAnswer, 'headers'>): string { return headers.find(([name]) => name === 'location')?.[1] ?? ''; }
export function header({ headers }: { readonly headers: HostAnswer['headers'] } | { readonly headers: HostRequest['headers'] }, name: string): string | undefined {
  return headers?.find(([key]) => key === name)?.[1];
}
