// How a provider of logins fails us. No message holds a token, a code or a secret; what the provider says itself is cut short and stripped.

export abstract class ProviderError extends Error {
  /** One of few words, [a-z_]+: for metrics and the log. */
  readonly reason: string;
  /** It is the provider's trouble, and says nothing about anybody's login: live sessions go on. */
  readonly passing: boolean;
  constructor(message: string, reason: string, passing: boolean) {
    super(message);
    this.reason = reason;
    this.passing = passing;
  }
}

/** Nobody answers, or not in time, or not as a provider does. */
export class ProviderUnavailable extends ProviderError {
  override readonly name = 'ProviderUnavailable';
  constructor(reason: string, detail?: string) { super(detail === undefined ? reason : `${reason}: ${spoken(detail)}`, reason, true); }
}

/** The provider says no: an OAuth error (RFC 6749 4.1.2.1, 5.2). */
export class ProviderRefused extends ProviderError {
  override readonly name = 'ProviderRefused';
  readonly code: string;
  readonly description?: string;
  constructor(code: string, description?: string) {
    super(`the provider refuses: ${spoken(code)}`, CODES.includes(code) ? code : 'provider_refused', code === 'temporarily_unavailable' || code === 'server_error');
    this.code = spoken(code);
    if (description !== undefined) this.description = spoken(description);
  }
}

/** What came back must not be believed: state, iss, nonce, signature, audience, … */
export class InvalidAnswer extends ProviderError {
  override readonly name = 'InvalidAnswer';
  constructor(reason: string) { super(reason, reason, false); }
}

/** RFC 6749 5.2 and 4.1.2.1. Other words are the provider's to choose, and each would be a time series more. */
const CODES = ['invalid_request', 'invalid_client', 'invalid_grant', 'unauthorized_client', 'unsupported_grant_type', 'invalid_scope', 'access_denied', 'server_error', 'temporarily_unavailable'];

const LONGEST = 300;

/** Words of somebody else: no control characters (bidirectional ones are such, too), not longer than a person reads. */
export function spoken(text: string): string {
  return text.slice(0, 4 * LONGEST).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, ' ').trim().slice(0, LONGEST);
}
