// The login of the requests of one rule on one listener.
import { canonicalJson } from '../../policy/canonical-json.ts';
import type { OidcPolicy } from '../../policy/oidc.ts';
import { Secret } from '../../policy/secret.ts';
import { contentId } from '../content-id.ts';
import type { DraftListener, OidcLogin, Settings } from '../draft.ts';
import type { IrRoute } from '../ir.ts';
import { sessionPolicy } from '../session-policy.ts';

export function oidcOf(login: OidcLogin | undefined, { spec }: DraftListener, settings: Settings): Pick<IrRoute, 'oidc'> {
  if (login?.clientSecret === undefined) return {};
  const { scheme = spec.protocol === 'HTTPS' ? 'https' : 'http', host, path } = login.redirect;
  const policy: OidcPolicy = {
    ...login.policy, clientAuthentication: { method: 'client_secret_basic', secret: login.clientSecret },
    redirectUrl: `${scheme}://${host}${path}`, callbackPath: path,
  };
  return { oidc: { id: contentId(canonicalJson(tagged(policy, settings.tag))), policy, session: sessionPolicy(policy) } };
}

/** Ids are there for all to see: of a secret they hold what says nothing about it, and changes when it does. */
function tagged(value: unknown, tag: Settings['tag']): unknown {
  if (value instanceof Secret) return { tag: tag(value) };
  if (Array.isArray(value)) return value.map((each) => tagged(each, tag));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, tagged(member, tag)]));
}
