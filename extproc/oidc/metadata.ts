// What a provider says of itself (OpenID Connect Discovery 1.0) and its keys: read with distrust, as it came and again as it was kept.
import type { JSONWebKeySet } from 'jose';
import { z } from 'zod';
import { endpoint } from './endpoint.ts';
import { ProviderUnavailable } from './provider-error.ts';

const Document = z.object({
  issuer: z.string(),
  authorization_endpoint: z.string().optional().catch(undefined),
  token_endpoint: z.string().optional().catch(undefined),
  end_session_endpoint: z.string().optional().catch(undefined),
  jwks_uri: z.string(),
  id_token_signing_alg_values_supported: z.array(z.string()).optional().catch(undefined),
  authorization_response_iss_parameter_supported: z.boolean().optional().catch(undefined),
});
export type Metadata = z.infer<typeof Document>;

const MOST_KEYS = 100;
const Keys = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(MOST_KEYS) });

/** Where the document of an issuer is. Undefined: it is no issuer (OIDC Discovery 2: no query, no fragment). */
export function discoveryUrl(issuer: string): URL | undefined {
  const url = endpoint(issuer);
  // OIDC Discovery 4.1: "any terminating / MUST be removed before appending".
  return url === undefined || url.search !== '' ? undefined : new URL(`${url.href.replace(/\/$/, '')}/.well-known/openid-configuration`);
}

/** Endpoints that we would not go to are left out. */
export function readMetadata(document: unknown, issuer: string): Metadata {
  const { success, data } = Document.safeParse(document);
  if (!success) throw new ProviderUnavailable('discovery_invalid');
  if (data.issuer !== issuer) throw new ProviderUnavailable('issuer_mismatch', `it says ${data.issuer}`);
  // Plain text for a provider on this machine alone: any other one could make us ask what listens here.
  const plain = issuer.startsWith('http:');
  const usable = (text: string | undefined): text is string => { const url = endpoint(text); return url !== undefined && (plain || url.protocol === 'https:'); };
  if (!usable(data.jwks_uri)) throw new ProviderUnavailable('jwks_uri_not_https');
  return Object.fromEntries(Object.entries(data).filter(([name, value]) => value !== undefined && (!name.endsWith('_endpoint') || usable(`${value}`)))) as Metadata;
}

/** Public keys that may verify a signature; whatever else is in the set is left out. */
export function readKeys(document: unknown): JSONWebKeySet {
  const { success, data } = Keys.safeParse(document);
  if (!success) throw new ProviderUnavailable('jwks_invalid');
  const keys = data.keys.filter((key) => ['RSA', 'EC', 'OKP'].includes(key.kty) && key['d'] === undefined && (key['use'] === undefined || key['use'] === 'sig'));
  if (keys.length === 0) throw new ProviderUnavailable('jwks_invalid', 'no key that verifies signatures');
  return { keys };
}
