// How the token endpoint knows us (OIDC Core 9).
import { createPrivateKey } from 'node:crypto';
import { importJWK, importPKCS8 } from 'jose';
import { type ClientAuth, ClientSecretPost, None, PrivateKeyJwt, modifyAssertion } from 'openid-client';
import type { ClientAuthentication } from '../../policy/oidc.ts';
import { ProviderUnavailable } from './provider-error.ts';

export async function clientAuth(authentication: ClientAuthentication): Promise<ClientAuth> {
  switch (authentication.method) {
    case 'client_secret_basic': return basic(authentication.secret.reveal());
    case 'client_secret_post': return ClientSecretPost(authentication.secret.reveal());
    case 'private_key_jwt': {
      const { algorithm, keyId } = authentication;
      const key = await privateKey(authentication.key.reveal(), algorithm);
      // The name that the policy has for it: an Ed25519 key would sign as "Ed25519" (RFC 9864), which most providers do not know yet.
      return PrivateKeyJwt({ key, ...(keyId === undefined ? {} : { kid: keyId }) }, { [modifyAssertion]: (header) => { header['alg'] = algorithm; } });
    }
    case 'none': return None();
  }
}

/** Form-urlencoded (RFC 6749 2.3.1) as HTML has it, where `-`, `.` and `_` stay: many providers do not decode, and most ids and secrets are the same to both. */
function basic(secret: string): ClientAuth {
  return (_server, client, _body, headers) => headers.set('authorization', `Basic ${Buffer.from(`${form(client.client_id)}:${form(secret)}`).toString('base64')}`);
}
function form(text: string): string { return new URLSearchParams([[text, '']]).toString().slice(0, -1); }

async function privateKey(text: string, algorithm: string): ReturnType<typeof importPKCS8> {
  try {
    if (!text.trimStart().startsWith('{')) return await importPKCS8(createPrivateKey(text).export({ type: 'pkcs8', format: 'pem' }).toString(), algorithm);
    const key = await importJWK(JSON.parse(text), algorithm);
    if (key instanceof Uint8Array || key.type !== 'private') throw new Error('not a private key');
    return key;
  } catch {
    throw new ProviderUnavailable('client_key_unusable', `not a private key for ${algorithm}`);   // without what the parser says of it
  }
}
