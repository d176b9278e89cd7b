/**
 * The machine lacks something we cannot do without (a program, a port, the network).
 * `message` says what, `nextStep` says what the user can do about it. The command line prints both and exits with 3.
 */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
  readonly nextStep: string;

  constructor(message: string, nextStep: string, options?: ErrorOptions) {
    super(message, options);
    this.nextStep = nextStep;
  }
}
