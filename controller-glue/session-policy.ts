// What Envoy has to know of a login to let its sessions pass without asking: nothing that the policy of the service does not say, so one id is that of both.
import { type OidcPolicy, cookieName } from '../policy/oidc.ts';
import type { SessionPolicy } from '../policy/session.ts';

export function sessionPolicy(policy: OidcPolicy): SessionPolicy {
  const { scope, callbackPath, logoutPath, backChannelLogoutPath, jwksPath, claimHeaders, identity, forwardIdToken, tokenHeaders } = policy;
  const headers = [...claimHeaders.map(({ header }) => header), identity?.header, forwardIdToken?.header, tokenHeaders.accessToken, tokenHeaders.idToken];
  return {
    scope, cookie: cookieName('assertion', policy),
    paths: unique([callbackPath, logoutPath, backChannelLogoutPath, jwksPath]),
    // A client's own authorization goes through where the session puts none there (EG).
    removeHeaders: unique(headers).filter((header) => header !== 'authorization'),
  };
}

function unique(texts: readonly (string | undefined)[]): string[] { return [...new Set(texts.filter((text) => text !== undefined))]; }
