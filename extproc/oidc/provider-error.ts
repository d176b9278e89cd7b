// How a provider of logins fails us. No message holds a token, a code or a secret; what the provider says itself is cut short and stripped.

/** Nobody answers, or not in time, or not as a provider does: nobody's fault here; live sessions go on. */
export class ProviderUnavailable extends Error {
  readonly reason: string;
  constructor(reason: string, detail?: string) {
    super(detail === undefined ? reason : `${reason}: ${spoken(detail)}`);
    this.name = 'ProviderUnavailable';
    this.reason = reason;
  }
}

/** The provider says no: an OAuth error (RFC 6749 4.1.2.1, 5.2). */
export class ProviderRefused extends Error {
  readonly code: string;
  readonly description?: string;
  constructor(code: string, description?: string) {
    super(`the provider refuses: ${spoken(code)}`);
    this.name = 'ProviderRefused';
    this.code = spoken(code);
    if (description !== undefined) this.description = spoken(description);
  }
}

/** What came back must not be believed: state, iss, nonce, signature, audience, … */
export class InvalidAnswer extends Error {
  readonly reason: string;
  constructor(reason: string) {
    super(reason);
    this.name = 'InvalidAnswer';
    this.reason = reason;
  }
}

const LONGEST = 300;

/** Words of somebody else: no control characters (bidirectional ones are such, too), not longer than a person reads. */
export function spoken(text: string): string {
  return text.slice(0, 4 * LONGEST).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, ' ').trim().slice(0, LONGEST);
}
