// A provider to log in at, on this machine: any name and any password will do.
import { type Server, createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import Provider from 'oidc-provider';

export const ISSUER = 'http://localhost:8646';
const SITE = 'http://localhost:10080';

/** Resolves when it takes logins. The provider itself says what of it is not for production. */
export function startProvider(): Promise<Server> {
  const provider = new Provider(ISSUER, {
    clients: [{
      client_id: 'gatewright', client_secret: 'a secret of this example', redirect_uris: [`${SITE}/oauth2/callback`], post_logout_redirect_uris: [SITE], grant_types: ['authorization_code', 'refresh_token'],
    }],
    claims: { openid: ['sub'], email: ['email'] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.com` }) }),
    // Otherwise only its userinfo endpoint would tell them.
    conformIdTokenClaims: false,
    issueRefreshToken: () => true,
    cookies: { keys: ['of this example'] },
  });
  const server = createServer(provider.callback());
  return new Promise((resolve, reject) => { server.once('error', reject).listen(8646, 'localhost', () => resolve(server)); });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await startProvider();
  console.log(ISSUER);
}
