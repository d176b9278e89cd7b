// A site behind logins, as people run it: `up` with an HTTPS listener whose port is not the one in addresses, a real provider, a backend that remembers what it was sent.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Pair, issueCertificate } from '../../examples/certificate.ts';
import { Browser, type BrowserOptions, type Page } from '../oidc/browser.ts';
import { type Options as ProviderOptions, SECRET, TestProvider } from '../oidc/provider.ts';
import { Gatewright, type GatewrightOptions } from './gatewright.ts';
import { documents, endpoint, gatewayClass, httpRoute, securityPolicy } from './manifests.ts';
import { type Recorded, Recorder } from './recorder.ts';

export const HOST = 'www.example.com:8443';
export const ORIGIN = `https://${HOST}`;
const authority = issueCertificate('authority of the site', { authority: true });
export const certificate = issueCertificate('example.com', { names: ['example.com', '*.example.com', '*.example.net'], addresses: ['127.0.0.1'], issuer: authority });

export const secret = (name: string, stringData: Readonly<Record<string, string>>, metadata: object = {}): object => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name, ...metadata }, stringData });
export const clientSecret = (name = 'client', value = SECRET, metadata: object = {}): object => secret(name, { 'client-secret': value }, metadata);
export const tls = ({ certificate: crt, key }: Pair = certificate): object => ({ ...secret('site-tls', { 'tls.crt': crt, 'tls.key': key }), type: 'kubernetes.io/tls' });
export const httpsGateway = (name = 'eg', hostname?: string): object => ({
  apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { name },
  spec: { gatewayClassName: 'eg', listeners: [{ name: 'https', protocol: 'HTTPS', port: 443, ...(hostname === undefined ? {} : { hostname }), tls: { certificateRefs: [{ name: 'site-tls' }] } }] },
});
export const oidcPolicy = (name: string, spec: object, target: object = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name }): object =>
  ({ apiVersion: 'gatewright.dev/v1alpha1', kind: 'OIDCPolicy', metadata: { name }, spec: { targetRefs: [target], ...spec } });

export interface LoginRoute {
  /** More of `oidc`. */
  readonly oidc?: Readonly<Record<string, unknown>>;
  /** More of the SecurityPolicy. */
  readonly security?: object;
  /** Of the OIDCPolicy; none: there is none. */
  readonly more?: object;
  readonly route?: object;
  readonly host?: string;
}

/** A route below `/name` with a login of its own: client `name`, callback `/name/callback`, logout `/name/logout`. */
export function loginRoute(name: string, issuer: string, { oidc = {}, security = {}, more, route = {}, host = HOST }: LoginRoute = {}): object[] {
  return [
    httpRoute(name, undefined, { hostnames: [host.replace(/:\d+$/, '')], ...route }),
    securityPolicy(name, { oidc: { provider: { issuer }, clientID: name, clientSecret: { name: 'client' }, redirectURL: `https://${host}/${name}/callback`, logoutPath: `/${name}/logout`, ...oidc }, ...security }),
    ...(more === undefined ? [] : [oidcPolicy(name, more)]),
  ];
}

export interface Sent { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string }

export interface SiteOptions extends GatewrightOptions { readonly provider?: ProviderOptions }

export class LoginSite {
  readonly provider: TestProvider;
  readonly backend: Recorder;
  readonly state: string;
  gatewright!: Gatewright;
  readonly #options: SiteOptions;
  readonly #browsers: Browser[] = [];

  private constructor(provider: TestProvider, backend: Recorder, state: string, options: SiteOptions) {
    this.provider = provider;
    this.backend = backend;
    this.state = state;
    this.#options = options;
  }

  /** `files`: name → objects. Class, certificate, backend and the client's Secret are there without saying. */
  static async start(files: (site: LoginSite) => Readonly<Record<string, readonly unknown[]>>, options: SiteOptions = {}): Promise<LoginSite> {
    const site = new LoginSite(await TestProvider.start({ ca: authority.certificate, ...options.provider }), await Recorder.start(), mkdtempSync(join(tmpdir(), 'gw-login-')), options);
    writeFileSync(join(site.state, 'ca.pem'), authority.certificate);
    await site.up(files(site));
    return site;
  }

  async up(files: Readonly<Record<string, readonly unknown[]>>): Promise<void> {
    const { args = [], env = {} } = this.#options;
    const base = documents(gatewayClass, tls(), ...endpoint(this.backend.port), clientSecret());
    this.gatewright = await Gatewright.start({ ...Object.fromEntries(Object.entries(files).map(([name, objects]) => [name, documents(...objects)])), 'base.yaml': base }, { echo: false, args, env: { XDG_STATE_HOME: this.state, SSL_CERT_FILE: join(this.state, 'ca.pem'), ...env } });
  }

  get port(): number { return Number(this.gatewright.address('https').split(':')[1]); }
  get seen(): readonly Recorded[] { return this.backend.seen; }

  browser(options: BrowserOptions = {}, hosts: readonly string[] = [HOST]): Browser {
    const browser = new Browser({ ca: authority.certificate, ports: Object.fromEntries(hosts.map((host) => [host, this.port])), ...options });
    this.#browsers.push(browser);
    return browser;
  }

  /** One request, with these headers and no others; no cookies are kept, no redirect is followed. */
  send(path: string, { method = 'GET', headers = {}, body = '', host = HOST }: { readonly method?: string; readonly headers?: Readonly<Record<string, string | string[]>>; readonly body?: string; readonly host?: string } = {}): Promise<Sent> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ host: '127.0.0.1', port: this.port, path, method, servername: isIP(host.replace(/:\d+$/, '')) === 0 ? host.replace(/:\d+$/, '') : '', ca: authority.certificate, headers: { host, ...headers }, agent: false }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; }).on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
      });
      outgoing.on('upgrade', ({ statusCode, headers: got }, socket) => { socket.destroy(); resolve({ status: statusCode ?? 0, headers: got, body: '' }); });
      outgoing.on('error', reject).end(body);
    });
  }

  /** The same person's browser where the ports are others. */
  moved(browser: Browser): Browser {
    const other = this.browser();
    for (const { name, value, domain } of browser.jar.cookies.filter((each) => each.domain !== '127.0.0.1')) other.jar.take(`${name}=${value}; Path=/; Secure; HttpOnly; SameSite=Lax`, new URL(`https://${domain}`));
    return other;
  }

  /** Processes of the ext_proc service. */
  workers(): number[] {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
      const of = (name: string): string => { try { return readFileSync(`/proc/${pid}/${name}`, 'utf8'); } catch { return ''; } };
      return of('cmdline').includes('extproc-worker') && of('environ').split('\0').includes(`XDG_STATE_HOME=${this.state}`);
    });
  }

  /** Requests that the login service was asked about, from the beginning on. */
  async asked(): Promise<number> { return this.metric('gatewright_extproc_messages_total', 'processor="oidc"', 'phase="request_headers"'); }

  /** Sum over all series that have these labels. */
  async metric(name: string, ...labels: readonly string[]): Promise<number> {
    const lines = (await this.gatewright.page('metrics')).split('\n').filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#browsers.map((browser) => browser.close()));
    await this.gatewright?.stop();
    await Promise.all([this.provider.stop(), this.backend.stop()]);
    rmSync(this.state, { recursive: true, force: true });
  }
}

/** To `start` and through the provider, up to the callback, which is not asked for. */
export async function callbackOf(browser: Browser, start = `${ORIGIN}/app/deep`, seen: (page: Page) => void = () => undefined): Promise<URL> {
  for (let url = new URL(start), i = 0; i < 10; i++) {
    const page = await browser.open(url, { redirects: 0 });
    seen(page);
    url = new URL(`${page.headers['location'] as string}`, url);
    if (url.searchParams.has('code')) return url;
  }
  throw new Error('no code');
}

/** So that the service is asked about the next request. */
export function forget(browser: Browser): void {
  for (const { name, domain } of browser.jar.cookies.filter((each) => /-assertion-/.test(each.name))) browser.jar.take(`${name}=; Max-Age=0; Path=/; Secure`, new URL(`https://${domain}`));
}

/** What the browser would send. */
export function cookiesOf(browser: Browser): string { return browser.jar.header(new URL(`${ORIGIN}/`), { crossSite: false, safeNavigation: true }); }
