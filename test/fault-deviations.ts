// Where our answers differ from those of Envoy's own fault filter on purpose. Any other difference fails a test; one that is gone does too.
import type { Deviation } from './deviations.ts';
import { cases } from './cases/fault.ts';

const named = (pattern: RegExp): string[] => cases.map(({ name }) => name).filter((name) => pattern.test(name));

export const faultDeviations: readonly Deviation[] = [
  {
    what: 'a plain HTTP request gets the HTTP status that maps to the gRPC status',
    why: 'native answers 200, which tells a client of HTTP that all is well',
    cases: [...named(/^answers plain HTTP (?!200)/), 'does not take gRPC-Web for gRPC', 'takes the gRPC status when the HTTP one is none'],
  },
  {
    what: 'an answer with 204 has no body',
    why: 'native sends one, and the client takes it for the beginning of the next answer (RFC 9110 section 6.4.1)',
    cases: ['sends no body with 204'],
  },
  {
    what: 'a gRPC status that does not exist is ignored',
    why: 'native sends any number a client asks for, and takes it modulo 2^32',
    cases: ['ignores a gRPC status of "17"', 'ignores a gRPC status of "4294967296"'],
  },
];
