// `npm start`: the quickstart with the key pair of examples/keys (made when missing), and the curl lines to try.
import { join } from 'node:path';
import { main } from '../../cli/main.ts';
import { DEFAULT_FOLDER, makeKeys } from '../keys.ts';
import { ADMIN, makeToken } from '../token.ts';

await makeKeys(DEFAULT_FOLDER);
const good = await makeToken(ADMIN, DEFAULT_FOLDER);
const plain = await makeToken({ sub: 'john' }, DEFAULT_FOLDER);
const files = ['-f', import.meta.dirname, '-f', join(DEFAULT_FOLDER, 'jwks.yaml')];
await main(['up', ...files, '--echo', ...process.argv.slice(2)], ({ ir, admin, metrics }) => {
  const port = ir.gateways[0]?.listeners[0]?.port;
  const curl = `curl -i -H 'Host: www.example.com'`;
  process.stdout.write(`
Gatewright serves examples/quickstart at http://127.0.0.1:${port}   (Envoy's admin: ${admin}, metrics: ${metrics})

TOKEN=${good}
OTHER=${plain}

/bar is open (200):
  ${curl} http://127.0.0.1:${port}/bar
/foo needs a token (401, Jwt is missing):
  ${curl} http://127.0.0.1:${port}/foo
with a good one (200):
  ${curl} -H "Authorization: Bearer $TOKEN" http://127.0.0.1:${port}/foo
with one that lacks the wanted claims (403, RBAC: access denied):
  ${curl} -H "Authorization: Bearer $OTHER" http://127.0.0.1:${port}/foo

Change a file of examples/quickstart and ask again. Ctrl-C ends everything.
`);
});
