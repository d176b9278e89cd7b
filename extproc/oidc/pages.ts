// What people see when a login does not go on: a page that says what happened and what to do, and JSON for programs.
import type { Headers, Respond } from '../reply.ts';
import type { Facts } from './request.ts';

/** What goes wrong, by its reason: the same word in the page, the details, the metric and the log. */
const pages = {
  gatewright_oidc_provider_unavailable: { status: 503, title: 'Login is not possible right now', message: 'The login provider does not answer. Who is logged in already stays so. Please try again in a moment.' },
  gatewright_oidc_provider_refused: { status: 403, title: 'The login provider said no', message: 'You were not logged in.' },
  gatewright_oidc_code_refused: { status: 400, title: 'This login is over', message: 'It took too long, or was used before. Please try again.' },
  gatewright_oidc_answer_invalid: { status: 403, title: 'This login cannot be trusted', message: 'The answer of the login provider did not hold up. Please try again; if it goes on, tell whoever runs this site.' },
  gatewright_oidc_state_replayed: { status: 400, title: 'This login was used before', message: 'A login works once. Please try again.' },
  gatewright_oidc_no_cookies: { status: 400, title: 'Your browser keeps no cookies for this site', message: 'Without them nobody can stay logged in. Please allow them and try again.' },
  gatewright_oidc_session_too_large: { status: 500, title: 'This login is too large', message: 'The login provider gives more than a browser can keep. Please tell whoever runs this site: a session store solves it.' },
  gatewright_oidc_token_without_end: { status: 500, title: 'This login has no end', message: 'The login provider does not say how long it is good for. Please tell whoever runs this site.' },
  gatewright_oidc_store_unavailable: { status: 503, title: 'Sessions cannot be read right now', message: 'Please try again in a moment.' },
  gatewright_oidc_host_invalid: { status: 400, title: 'This address cannot be logged in to', message: 'Please use the address that you were given for this site.' },
} as const;
export type PageReason = keyof typeof pages;

/** Nothing of a login is kept by caches, or told to other sites. */
export const PRIVATE: Headers = [['cache-control', 'no-store'], ['referrer-policy', 'no-referrer']];
const HTML: Headers = [
  ...PRIVATE, ['content-type', 'text/html; charset=utf-8'], ['x-content-type-options', 'nosniff'], ['x-frame-options', 'DENY'],
];
/** No scripts: what a page shows has been said by others. */
const STRICT = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

export interface PageOptions {
  readonly template?: string | undefined;
  /** What the provider said, in its own words. */
  readonly said?: string | undefined;
  /** Where "Try again" leads. */
  readonly again?: string;
  readonly cookies?: readonly string[];
}

export function page(reason: PageReason, { requestId }: Pick<Facts, 'requestId'>, { template, said, again = '/', cookies = [] }: PageOptions = {}): Respond {
  const { status, title, message } = pages[reason];
  const words: Record<string, string> = { title, message: said === undefined || said === '' ? message : `${message} It said: ${said}`, reason, request_id: requestId, again };
  return {
    kind: 'respond', status, details: reason,
    headers: [...HTML, ['content-security-policy', template === undefined ? STRICT : STRICT.replace("default-src 'none'", "default-src 'none'; img-src * data:")], ...cookies.map((cookie) => ['set-cookie', cookie] as const), ...(status === 503 ? [['retry-after', '10'] as const] : [])],
    body: fill(template ?? TEMPLATE, words),
  };
}

/** The browser itself asks for the next page: a redirect from another site would come without cookies of SameSite=Strict. */
export function onwards(path: string, cookies: readonly string[]): Respond {
  return {
    kind: 'respond', status: 200, details: 'gatewright_oidc_logged_in',
    headers: [...HTML, ['content-security-policy', STRICT], ...cookies.map((cookie) => ['set-cookie', cookie] as const)],
    body: fill(ONWARDS, { path }),
  };
}

/** Asked for by another site, or by who knows whom: the person says whether it is meant. */
export function confirmLogout(path: string): Respond {
  return { kind: 'respond', status: 200, details: 'gatewright_oidc_logout_asked', headers: [...HTML, ['content-security-policy', STRICT.replace(" form-action 'self';", '')]], body: fill(CONFIRM, { path }) };
}

export function redirect(location: string, details: string, cookies: readonly string[] = []): Respond {
  return { kind: 'respond', status: 302, details, headers: [['location', location], ...PRIVATE, ...cookies.map((cookie) => ['set-cookie', cookie] as const)] };
}

export function json(status: number, details: string, body: object, headers: Headers = []): Respond {
  return { kind: 'respond', status, details, headers: [['content-type', 'application/json'], ...PRIVATE, ...headers], body: `${JSON.stringify(body)}\n` };
}

function fill(template: string, words: Readonly<Record<string, string>>): string {
  return template.replace(/\{\{\s*([a-z_]+)\s*\}\}/g, (_, name: string) => escaped(words[name] ?? ''));
}

function escaped(text: string): string {
  return text.replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
}

const HEAD = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">`;
const STYLE = `<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 34rem; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
a, button { background: #2457c5; border: 0; border-radius: .4rem; color: #fff; cursor: pointer; display: inline-block; font: inherit; padding: .5rem 1.25rem; text-decoration: none; }
small { color: #777; display: block; margin-top: 2rem; }
</style>`;

const TEMPLATE = `${HEAD}
<title>{{title}}</title>
${STYLE}
</head>
<body>
<h1>{{title}}</h1>
<p>{{message}}</p>
<p><a href="{{again}}">Try again</a></p>
<small>{{reason}}<br>Request {{request_id}}</small>
</body>
</html>
`;

const ONWARDS = `${HEAD}
<meta http-equiv="refresh" content="0; url={{path}}">
<title>Logged in</title>
${STYLE}
</head>
<body>
<p><a href="{{path}}">Go on</a></p>
</body>
</html>
`;

const CONFIRM = `${HEAD}
<title>Log out?</title>
${STYLE}
</head>
<body>
<h1>Log out?</h1>
<p>Another site sent you here.</p>
<form method="post" action="{{path}}"><button>Log out</button></form>
</body>
</html>
`;
