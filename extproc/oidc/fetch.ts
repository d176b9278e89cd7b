// Requests to a provider: bounded in time and size, never redirected, and repeated only where that cannot hurt.
import { Agent, request } from 'undici';
import type { OidcProvider } from '../../policy/oidc.ts';
import type { World } from '../world.ts';
import { NotConnected, connector } from './connect.ts';
import { parseAnswer } from './json-answer.ts';
import { ProviderUnavailable } from './provider-error.ts';

const LARGEST = 1 << 20;
/** A token that is longer fits no session, and its parts are parsed a second time. */
const LONGEST_TOKEN = 1 << 16;
const PAUSE_MS = 100;
const CONNECTIONS = 64;

interface Question { readonly method: 'GET' | 'POST'; readonly headers: Record<string, string>; readonly body?: string }
interface Answer { readonly status: number; readonly json: unknown; readonly text: string }

export class ProviderFetch {
  readonly #settings: OidcProvider;
  readonly #world: Pick<World, 'after'>;
  readonly #documents: Agent;
  /** A grant has a connection of its own: on one that waits idle it could be lost without our knowing whether it was heard. */
  readonly #grants: Agent;

  constructor(settings: OidcProvider, world: Pick<World, 'after'>) {
    this.#settings = settings;
    this.#world = world;
    const connect = connector(settings);
    this.#documents = new Agent({ connect, connections: CONNECTIONS });
    this.#grants = new Agent({ connect, connections: CONNECTIONS, pipelining: 0 });
  }

  /** A document of the provider. It is idempotent: asked for again after no answer. */
  async get(url: URL): Promise<unknown> {
    const { status, json } = await this.#retried(() => this.#once(url, { method: 'GET', headers: { accept: 'application/json, application/jwk-set+json' } }, this.#documents), (error) => error.unanswered);
    if (status !== 200) throw new ProviderUnavailable('http_status', `HTTP ${status}`);
    return json;
  }

  /** A grant, for openid-client. A code is good once and so may be a refresh token: it is sent again only where no connection was made. */
  async post(url: URL, headers: Record<string, string>, body: string): Promise<Response> {
    const { status, text, json } = await this.#retried(() => this.#once(url, { method: 'POST', headers, body }, this.#grants), (error) => error.unsent);
    if (typeof json === 'object' && json !== null && 'id_token' in json && typeof json.id_token === 'string' && json.id_token.length > LONGEST_TOKEN) throw new ProviderUnavailable('answer_too_large', 'ID token');
    return new Response(text, { status, headers: { 'content-type': 'application/json' } });
  }

  async close(): Promise<void> { await Promise.all([this.#documents.destroy(), this.#grants.destroy()]); }

  async #retried(ask: () => Promise<Answer>, may: (error: Unanswered) => boolean): Promise<Answer> {
    for (let tries = 0; ; tries++) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof Unanswered) || !may(error) || tries >= this.#settings.retries) throw error;
        await new Promise<void>((resolve) => this.#world.after(PAUSE_MS * 2 ** tries, resolve));
      }
    }
  }

  async #once(url: URL, { method, headers, body }: Question, dispatcher: Agent): Promise<Answer> {
    const controller = new AbortController();
    const cancel = this.#world.after(this.#settings.timeoutMs, () => controller.abort(new Unanswered('timeout', undefined, { unanswered: true, unsent: false })));
    try {
      const answer = await request(url, { method, headers: { ...headers, 'accept-encoding': 'identity' }, dispatcher, signal: controller.signal, ...(body === undefined ? {} : { body }) });
      const { statusCode: status } = answer;
      const type = `${answer.headers['content-type'] ?? ''}`;
      const problem = status >= 300 && status < 400 ? new ProviderUnavailable('redirected', `HTTP ${status}`)
        : status >= 500 ? new ProviderUnavailable('http_status', `HTTP ${status}`)
        : Number(answer.headers['content-length'] ?? 0) > LARGEST ? new ProviderUnavailable('answer_too_large')
        : isJson(type) ? undefined
        : status === 200 ? new ProviderUnavailable('answer_not_json', type) : new ProviderUnavailable('http_status', `HTTP ${status}`);
      if (problem !== undefined) {
        controller.abort(problem);
        answer.body.on('error', () => { /* of the abort */ }).destroy();
        throw problem;
      }
      const text = await textOf(answer.body);
      return { status, text, json: parseAnswer(text) };
    } catch (error) {
      throw error instanceof ProviderUnavailable ? error : unanswered(error);
    } finally {
      cancel();
    }
  }
}

function isJson(type: string): boolean { return /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type); }

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > LARGEST) throw new ProviderUnavailable('answer_too_large');   // leaving the loop destroys the stream
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new ProviderUnavailable('answer_not_json');
  }
}

/** Nobody answered, and whether somebody may have heard us. */
class Unanswered extends ProviderUnavailable {
  readonly unanswered: boolean;
  readonly unsent: boolean;
  constructor(reason: string, detail: string | undefined, { unanswered, unsent }: { readonly unanswered: boolean; readonly unsent: boolean }) {
    super(reason, detail);
    this.unanswered = unanswered;
    this.unsent = unsent;
  }
}

function unanswered(error: unknown): Unanswered {
  const unsent = error instanceof NotConnected;
  const code = codeOf(error);
  if (/CERT|SELF_SIGNED|VERIFY|ISSUER|ERR_TLS|ERR_SSL|EPROTO/.test(code)) return new Unanswered('certificate_refused', code, { unanswered: false, unsent: false });
  if (/^(ENOTFOUND|EAI_AGAIN)$/.test(code)) return new Unanswered('name_not_found', code, { unanswered: true, unsent });
  return new Unanswered(/TIMEOUT|ETIMEDOUT/.test(code) ? 'timeout' : unsent ? 'unreachable' : 'connection_lost', code, { unanswered: true, unsent });
}

/** The first code that says something: an error may be of several addresses, or have a cause. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  const inner: unknown[] = error instanceof AggregateError ? error.errors : [error.cause];
  for (const each of inner) { const code = codeOf(each); if (code !== '') return code; }
  return '';
}
