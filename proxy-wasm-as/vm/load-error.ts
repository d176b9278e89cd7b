// Why a module does not become a VM.

/** The module was refused before any request could run; `message` is Envoy's own where Envoy has one. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
}
