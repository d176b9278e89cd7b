// An issuer's key server for this example: examples/keys/jwks.json at https://localhost:8643/jwks.json.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { DEFAULT_FOLDER } from '../keys.ts';

const PORT = 8643;
const read = (name: string): Buffer => readFileSync(join(DEFAULT_FOLDER, name));

createServer({ cert: read('tls.crt'), key: read('tls.key') }, ({ method, url }, response) => {
  if (method === 'GET' && url === '/jwks.json') response.setHeader('content-type', 'application/jwk-set+json').end(read('jwks.json'));
  else response.writeHead(404).end();
}).listen(PORT, '127.0.0.1', () => console.log(`https://localhost:${PORT}/jwks.json`));
