// Prints a token signed with examples/keys/private.pem, good for an hour unless exp is given: `npx node examples/token.ts '{"scope":"foo bar"}'`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignJWT, importPKCS8 } from 'jose';
import { DEFAULT_FOLDER } from './keys.ts';

/** Claims that the authorization of the examples wants to see. */
export const ADMIN = { sub: 'john', scope: 'foo bar', user: { name: 'John Doe', roles: ['admin', 'editor'] } };

export async function makeToken(claims: Record<string, unknown>, folder: string): Promise<string> {
  const key = await importPKCS8(readFileSync(join(folder, 'private.pem'), 'utf8'), 'RS256');
  const hour = Math.floor(Date.now() / 1000) + 3600;
  return new SignJWT({ exp: hour, ...claims }).setProtectedHeader({ alg: 'RS256', kid: 'example' }).sign(key);
}

if (import.meta.main) console.log(await makeToken(process.argv[2] === undefined ? ADMIN : JSON.parse(process.argv[2]), DEFAULT_FOLDER));
