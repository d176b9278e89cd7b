// Where our answers differ from Envoy's own filters on purpose. Any other difference fails a test; one that is gone does too.

export interface Deviation { readonly what: string; readonly why: string; readonly cases: readonly string[] }

export const deviations: readonly Deviation[] = [
  {
    what: 'the authentication scheme is found in any case',
    why: 'RFC 9110 section 11.1: schemes are case-insensitive; native answers "Jwt is missing"',
    cases: ['finds the scheme in lower case', 'finds the scheme in capitals'],
  },
  {
    what: 'the realm has no query',
    why: 'native shows the query in www-authenticate, and with it an access_token that may be good',
    cases: ['refuses a good token beside a bad one', 'refuses a bad token beside a good one'],
  },
  {
    what: 'a token with a critical extension is refused',
    why: 'RFC 7515 section 4.1.11: extensions that are not understood make the token invalid; native ignores `crit`',
    cases: ['refuses a token with an extension it does not know'],
  },
  {
    what: 'a token has exactly two dots and one spelling',
    why: 'RFC 7515 section 7.1 and RFC 4648 section 3.5; native skips empty parts, padding, blanks and bits that no byte holds, so one token has many spellings',
    cases: ['refuses an empty part between dots', 'refuses a dot in front', 'refuses another spelling of the same signature', 'refuses blanks inside a token', 'refuses padding', 'refuses padding behind the signature'],
  },
  {
    what: 'every value of a repeated query parameter is checked',
    why: 'native looks at the first; the upstream may look at the last',
    cases: ['refuses a second access_token that is bad'],
  },
  {
    what: 'JSON is RFC 8259',
    why: 'native takes commas too many, single quotes, names without quotes and control characters, which upstreams read differently or not at all',
    cases: ['refuses JSON with a comma too many', 'refuses JSON in single quotes', 'refuses JSON with names without quotes', 'refuses control characters in JSON'],
  },
];
