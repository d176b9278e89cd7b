// A host to reach in this example, on this machine: https://localhost:8444. It answers with the name it was asked by.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { DEFAULT_FOLDER } from '../keys.ts';

const PORT = 8444;
const read = (name: string): Buffer => readFileSync(join(DEFAULT_FOLDER, name));

createServer({ cert: read('tls.crt'), key: read('tls.key') }, ({ headers, url }, response) => { response.end(`${headers.host} ${url}\n`); })
  .listen(PORT, '127.0.0.1', () => console.log(`https://localhost:${PORT}`));
