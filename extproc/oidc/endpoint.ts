// Which addresses of a provider we go to, or send a browser to: https, or http on this very machine.

/** Undefined: not such an address. Nobody's credentials are in one, and no fragment (RFC 6749 3.1, 3.2). */
export function endpoint(text: string | undefined): URL | undefined {
  const url = text === undefined ? null : URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '' || url.hash !== '' || url.hostname === '') return undefined;
  if (url.protocol === 'https:') return url;
  return url.protocol === 'http:' && isLoopback(url.hostname) ? url : undefined;
}

/** `hostname` as a URL has it (an IPv4 address is spelled out there, whatever was written), or an address. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname === '::1' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
