// Where sessions are kept. Here: in cookies of the browser, sealed. redis-store.ts is the other.
import { cookieName, type OidcPolicy } from '../../policy/oidc.ts';
import type { World } from '../world.ts';
import { type Cookie, setCookie } from './cookies.ts';
import type { KeyRing } from './keyring.ts';
import { open, seal } from './sealed.ts';
import { alive, endsAt, packed, type Session, unpacked } from './session.ts';

export interface Sessions {
  /** Undefined: there is none, or none that holds. Throws StoreUnavailable. */
  read(cookies: ReadonlyMap<string, string>): Promise<Session | undefined>;
  /**
   * Set-Cookie values that make it the browser's session: at login (with an id of its own; whatever was there before ends), after a refresh, or when `seen` moves.
   * `had`: cookies that the request had. Throws SessionTooLarge, StoreUnavailable, and SessionEnded.
   */
  write(session: Session, had: ReadonlyMap<string, string>): Promise<string[]>;
  /** Throws StoreUnavailable. */
  end(session: Session | undefined, had: ReadonlyMap<string, string>): Promise<string[]>;
  /**
   * Back-channel logout: of `sid` where there is one, else of `sub`. Returns how many sessions ended; undefined: it was done before, by the same `once` (the jti of
   * a logout token). Both in one step: what failed may be tried again. Only stores can.
   */
  endAll?(who: { readonly sub?: string; readonly sid?: string }, once: { readonly key: string; readonly ttlMs: number }): Promise<number | undefined>;
}

/** The store does not answer: who is logged in cannot be known now. */
export class StoreUnavailable extends Error { override readonly name = 'StoreUnavailable'; }
/** Ended while this request was under way (logout, another login): it is not written again. The browser's cookies are another's by now: leave them. */
export class SessionEnded extends Error { override readonly name = 'SessionEnded'; }
/** The provider's tokens are too large for cookies; a store takes them. */
export class SessionTooLarge extends Error { override readonly name = 'SessionTooLarge'; }

/** Name, value and attributes of one Set-Cookie; browsers drop more than 4,096 bytes without a word. */
const MAX_LINE = 3_900;
/** All cookies of a session. Envoy takes 60 KiB of headers if not told otherwise. */
const MAX_TOTAL = 40_000;
const MAX_CHUNKS = 16;

const chunkName = (name: string, i: number): string => i === 0 ? name : `${name}.${i}`;

type Attributes = Pick<Cookie, 'secure' | 'sameSite' | 'domain'>;

/** Deletes the cookies of a larger session that the request had, from the `from`th on; the first in any case, for it may have been there twice. */
export function leftOver(name: string, had: ReadonlyMap<string, string>, from: number, attributes: Attributes): string[] {
  return Array.from({ length: MAX_CHUNKS }, (_, i) => i).filter((i) => i >= from && (i === 0 || had.has(chunkName(name, i))))
    .map((i) => setCookie({ name: chunkName(name, i), value: '', maxAgeMs: 0, ...attributes }));
}

export function cookieSessions(ring: () => KeyRing, policy: OidcPolicy, world: Pick<World, 'now'>): Sessions {
  const name = cookieName('session', policy);
  const attributes = attributesOf(policy);
  return {
    async read(cookies) {
      // The first says how many there are: `3~…`.
      const [, count, first] = /^([1-9]\d?)~(.*)$/.exec(cookies.get(name) ?? '') ?? [];
      if (count === undefined || first === undefined || Number(count) > MAX_CHUNKS) return undefined;
      const chunks = [first, ...Array.from({ length: Number(count) - 1 }, (_, i) => cookies.get(chunkName(name, i + 1)))];
      if (chunks.includes(undefined)) return undefined;
      const text = chunks.join('');
      const session = unpacked(await open(ring(), 'session', policy.scope, text, world.now()));
      return session !== undefined && alive(session, policy, world.now()) ? session : undefined;
    },
    async write(session, had) {
      const expires = endsAt(session, policy);
      const text = await seal(ring(), 'session', policy.scope, packed(session), expires);
      const line = { maxAgeMs: expires - world.now(), ...attributes };
      const room = MAX_LINE - 1 - setCookie({ name: chunkName(name, MAX_CHUNKS), value: `${MAX_CHUNKS}~`, ...line }).length;
      const count = Math.ceil(text.length / room);
      const values = Array.from({ length: count }, (_, i) => `${i === 0 ? `${count}~` : ''}${text.slice(i * room, (i + 1) * room)}`);
      const total = values.reduce((sum, value, i) => sum + `${chunkName(name, i)}=${value}; `.length, 0);
      if (count > MAX_CHUNKS || total > MAX_TOTAL) throw new SessionTooLarge(`the session would be ${total} bytes of cookies; ${MAX_TOTAL} is the most`);
      return [...values.map((value, i) => setCookie({ name: chunkName(name, i), value, ...line })), ...leftOver(name, had, count, attributes)];
    },
    end: (_session, had) => Promise.resolve(leftOver(name, had, 0, attributes)),
  };
}

/** Of every cookie of ours, but for its age. */
export function attributesOf({ redirectUrl, cookies: { sameSite, domain } }: Pick<OidcPolicy, 'redirectUrl' | 'cookies'>): Attributes {
  return { secure: !redirectUrl.startsWith('http://'), sameSite, ...(domain === undefined ? {} : { domain }) };
}
