// A backend that takes three seconds for each answer.
import { createServer } from 'node:http';

createServer((_request, response) => { setTimeout(() => response.end('done\n'), 3_000); })
  .listen(13_000, '127.0.0.1', () => console.log('http://127.0.0.1:13000'));
