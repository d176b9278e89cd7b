// Where our connection limit differs from Envoy's own on purpose. Any other difference fails a test; one that is gone does too.
import type { Deviation } from './deviations.ts';

export const deviations: readonly Deviation[] = [
  {
    what: 'a refused connection does not count while it waits to be closed',
    why: 'native counts it, so that those who were refused keep out those who would have a place: a client that comes again at once keeps itself out',
    cases: ['keeps a refused one waiting, and does not count it meanwhile', 'forgets a refused one that does not wait to be closed', 'keeps one waiting after its handshake'],
  },
];
