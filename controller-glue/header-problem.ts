// Which headers may be made of claims and tokens: none that says where a request goes and how long it is.
const RESERVED = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'te', 'trailer', 'upgrade', 'keep-alive', 'proxy-connection', 'expect', 'cdn-loop']);

export function headerProblem(header: string): string | null {
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(header)) return 'must be letters, digits, "-", "_" and "."';
  return RESERVED.has(header) || header.startsWith('x-envoy-') ? 'must not be a header that Envoy itself goes by' : null;
}
