// What the tests of a provider share: a policy for the provider of the tests, and a login by hand.
import { type Provider, Providers, type LoginParameters, type Tokens } from '../../../extproc/oidc/provider.ts';
import { type World, realWorld } from '../../../extproc/world.ts';
import { OidcPolicy } from '../../../policy/oidc.ts';
import { Browser } from '../../oidc/browser.ts';
import { SECRET, type TestProvider } from '../../oidc/provider.ts';

export const REDIRECT_URI = 'https://www.example.com/oauth2/callback';
export const LOGIN: LoginParameters = { redirectUri: REDIRECT_URI, state: 'the-state', nonce: 'the-nonce', verifier: 'v'.repeat(43) };

export type More = Partial<Omit<OidcPolicy, 'provider'>> & { readonly provider?: Partial<OidcPolicy['provider']> };

export function policyFor(issuer: string, { provider, ...more }: More = {}): OidcPolicy {
  return OidcPolicy.parse({
    name: 'default/app', scope: 'abcdefghij', provider: { issuer, ...provider }, clientId: 'app', clientAuthentication: { method: 'client_secret_basic', secret: SECRET },
    scopes: ['openid', 'email', 'groups'], redirectUrl: REDIRECT_URI, callbackPath: '/oauth2/callback', logoutPath: '/logout', ...more,
  });
}

export interface Logged { readonly level: 'info' | 'warn'; readonly fields: Readonly<Record<string, unknown>>; readonly message: string }

/** Providers whose log can be read; ended by `close`. */
export function providersOf({ folder, world = realWorld }: { readonly folder?: string; readonly world?: World } = {}): { readonly providers: Providers; readonly logged: Logged[] } {
  const logged: Logged[] = [];
  const at = (level: Logged['level']) => (fields: Record<string, unknown>, message: string): void => { logged.push({ level, fields, message }); };
  return { logged, providers: new Providers({ world, ...(folder === undefined ? {} : { folder }), log: { info: at('info'), warn: at('warn') } as never }) };
}

/** Through the provider's login; the query that it sends the browser back with. */
export async function callbackOf(url: URL, account = 'alice', isThere = (location: string): boolean => location.startsWith(REDIRECT_URI)): Promise<URLSearchParams> {
  const browser = new Browser({ account });
  try {
    for (let page = await browser.open(url, { redirects: 0 }), steps = 0; steps < 10; steps++) {
      const location = page.headers['location'];
      if (typeof location !== 'string') throw new Error(`${page.status} at ${page.url.href}: ${page.body.slice(0, 300)}`);
      if (isThere(location)) return new URL(location).searchParams;
      page = await browser.open(new URL(location, page.url), { redirects: 0 });
    }
    throw new Error('too many redirects');
  } finally {
    await browser.close();
  }
}

export async function logIn(provider: Provider, login: LoginParameters = LOGIN, account = 'alice'): Promise<Tokens> {
  return provider.exchange(await callbackOf(await provider.authorizationUrl(login), account), login);
}

/** In short, what somebody gets who asks: `kind reason`, or `fine`. */
export async function outcome(ask: Promise<unknown>): Promise<string> {
  return ask.then(() => 'fine', (error: unknown) => {
    const { name, reason, code } = error as { readonly name: string; readonly reason?: string; readonly code?: string };
    return `${name} ${reason ?? code}`;
  });
}

/** Its client has the REDIRECT_URI. */
export function clientOf(idp: TestProvider, id = 'app', more: Parameters<TestProvider['client']>[2] = {}): void { idp.client(id, [REDIRECT_URI], more); }
