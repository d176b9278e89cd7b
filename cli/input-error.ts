/** What the user gave is wrong; `message` is ready to be shown. The command line exits with 1. */
export class InputError extends Error {
  override readonly name = 'InputError';
}
