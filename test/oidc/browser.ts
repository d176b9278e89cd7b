// A browser without a screen: follows redirects with its cookies, sends forms, and tells what it saw on the way.
import { Agent, request } from 'undici';
import { type Context, type Cookie, CookieJar, site } from './cookie-jar.ts';

export interface Page {
  readonly url: URL;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** Every address on the way here, the last one too, with its status. */
  readonly steps: readonly { readonly url: URL; readonly status: number; readonly setCookies: readonly string[]; readonly sentCookies: string }[];
}

export interface BrowserOptions {
  /** Authorities it trusts; none: any certificate. */
  readonly ca?: string;
  /** `host:port` as in an address → the port of this machine where it is served. Names that are not here are looked for on 127.0.0.1. */
  readonly ports?: Readonly<Record<string, number>>;
  /** Who logs in where the provider asks nobody. */
  readonly account?: string;
  readonly now?: () => number;
}

interface Visit { readonly method?: string; readonly headers?: Readonly<Record<string, string>>; readonly body?: string; /** Where the link was; none: typed. */ readonly from?: URL; /** How many redirects are followed. */ readonly redirects?: number }

export class Browser {
  readonly jar: CookieJar;
  readonly #agent: Agent;
  readonly #account: string | undefined;

  constructor({ ca, ports = {}, account, now }: BrowserOptions = {}) {
    this.jar = new CookieJar(now);
    this.#account = account;
    this.#agent = new Agent({
      connect: { ...(ca === undefined ? { rejectUnauthorized: false } : { ca }), lookup: (_host, { all }, done) => { if (all === true) done(null, [{ address: '127.0.0.1', family: 4 }]); else done(null, '127.0.0.1', 4); } },
    }).compose((dispatch) => (options, handler) => {
      // The port alone is another: Host, SNI and cookies are those of the address.
      const origin = new URL(`${options.origin}`);
      const port = ports[origin.host];
      if (port === undefined) return dispatch(options, handler);
      const headers = { ...options.headers as Record<string, string>, host: origin.host };
      origin.port = `${port}`;
      return dispatch({ ...options, headers, origin: origin.href.replace(/\/$/, '') }, handler);
    }) as Agent;
  }

  cookie(name: string | RegExp): Cookie | undefined { return this.jar.cookies.find((each) => typeof name === 'string' ? each.name === name : name.test(each.name)); }

  /** A navigation: typed, or by a link or form of `from`. */
  async open(address: string | URL, { method = 'GET', headers = {}, body, from, redirects = 20 }: Visit = {}): Promise<Page> {
    const steps: Page['steps'][number][] = [];
    let url = new URL(address);
    let crossSite = from !== undefined && site(from) !== site(url);
    let sent = { method, body };
    for (;;) {
      const answer = await this.#ask(url, sent, { accept: 'text/html,application/xhtml+xml', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'upgrade-insecure-requests': '1', ...headers }, { crossSite, safeNavigation: sent.method === 'GET' });
      steps.push({ url, status: answer.status, setCookies: answer.setCookies, sentCookies: answer.sentCookies });
      const location = answer.headers['location'];
      if (answer.status < 300 || answer.status >= 400 || typeof location !== 'string' || steps.length > redirects) return { url, ...answer, steps };
      const next = new URL(location, url);
      crossSite ||= site(next) !== site(url);
      if (answer.status === 303 || (answer.status < 303 && sent.method === 'POST')) sent = { method: 'GET', body: undefined };
      url = next;
    }
  }

  /** What a script of the page `from` does: no navigation, no redirects followed. */
  async script(address: string | URL, from: URL, { method = 'GET', headers = {}, body }: Visit = {}): Promise<Page> {
    const url = new URL(address, from);
    const answer = await this.#ask(url, { method, body }, { accept: 'application/json', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', ...headers }, { crossSite: site(url) !== site(from), safeNavigation: false });
    return { url, ...answer, steps: [{ url, status: answer.status, setCookies: answer.setCookies, sentCookies: answer.sentCookies }] };
  }

  /** Sends the first form of the page. */
  async submit(page: Page, fields: Readonly<Record<string, string>> = {}): Promise<Page> {
    const form = /<form[^>]*>[\s\S]*?<\/form>/i.exec(page.body)?.[0];
    if (form === undefined) throw new Error(`no form at ${page.url.href}: ${page.status} ${page.body.slice(0, 300)}`);
    const attribute = (tag: string, name: string): string | undefined => new RegExp(`\\s${name}="([^"]*)"`, 'i').exec(tag)?.[1]?.replaceAll('&amp;', '&');
    const tag = /<form[^>]*>/i.exec(form)?.[0] ?? '';
    const hidden = [...form.matchAll(/<input[^>]*>/gi)].map(([input]) => [attribute(input, 'name') ?? '', attribute(input, 'value') ?? ''] as const).filter(([name]) => name !== '');
    const body = new URLSearchParams({ ...Object.fromEntries(hidden), ...fields });
    const action = new URL(attribute(tag, 'action') ?? page.url.href, page.url);
    if ((attribute(tag, 'method') ?? 'get').toLowerCase() === 'get') { action.search = `${body}`; return this.open(action, { from: page.url }); }
    return this.open(action, { method: 'POST', body: `${body}`, headers: { 'content-type': 'application/x-www-form-urlencoded', origin: page.url.origin }, from: page.url });
  }

  async close(): Promise<void> { await this.#agent.destroy(); }

  async #ask(url: URL, { method, body }: { readonly method: string; readonly body: string | undefined }, headers: Readonly<Record<string, string>>, context: Context): Promise<Omit<Page, 'url' | 'steps'> & { readonly setCookies: readonly string[]; readonly sentCookies: string }> {
    const sentCookies = this.jar.header(url, context);
    const answer = await request(url, {
      dispatcher: this.#agent, method,
      headers: { 'user-agent': 'a browser of the tests', ...headers, ...(sentCookies === '' ? {} : { cookie: sentCookies }), ...(this.#account === undefined ? {} : { 'x-test-account': this.#account }) },
      ...(body === undefined ? {} : { body }),
    });
    const setCookies = [answer.headers['set-cookie'] ?? []].flat();
    for (const each of setCookies) this.jar.take(each, url, context.crossSite && !context.safeNavigation);
    return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text(), setCookies, sentCookies };
  }
}

/** To `start` and through the login that it asks for; by its form, where the provider has one. */
export async function login(browser: Browser, start: string | URL, user = 'alice'): Promise<Page> {
  const page = await browser.open(start);
  return page.body.includes('<input name="user"') ? browser.submit(page, { user }) : page;
}
