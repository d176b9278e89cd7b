// Host names and wildcards, as Gateway API compares them. An absent hostname is '' and stands for every host.

/** What both stand for, or null: the narrower of the two when one covers the other. */
export function intersection(a: string, b: string): string | null {
  if (covers(a, b)) return b;
  if (covers(b, a)) return a;
  return null;
}

/** Does every host of `inner` belong to `outer`? `*.example.com` covers any number of labels, and not example.com itself. */
export function covers(outer: string, inner: string): boolean {
  if (outer === '' || outer === inner) return true;
  if (!outer.startsWith('*.') || inner === '') return false;
  return inner.endsWith(outer.slice(1));
}

/** The domain Envoy matches for it. */
export function domain(hostname: string): string { return hostname === '' ? '*' : hostname; }
