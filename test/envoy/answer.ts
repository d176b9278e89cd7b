// One request to a real proxy, and what a client can see of the answer.
import { request } from 'node:http';
import type { JwtRequest } from '../cases/jwt.ts';

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Record<string, string | string[] | undefined>;
}

/** Sends GET `path` with exactly these headers; repeated headers stay repeated. */
export function ask(address: string, path: string, { query, headers = {} }: JwtRequest = {}, host = 'www.example.com'): Promise<Answer> {
  const [hostname, port] = address.split(':');
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, path: query === undefined ? path : `${path}?${query}`, headers: { host, ...headers }, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => { body += chunk; }).on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
    });
    outgoing.on('error', reject).end();
  });
}
