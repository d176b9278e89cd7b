// Every way a request can end here, in one table: what the client reads, and the stable reason in the response details.
// Texts and numbers are those of Envoy's jwt_authn (source/common/jwt/status.cc); the ones Envoy has not stand last.

/** Zero, what uninitialised memory means, is a refusal. */
export enum Outcome {
  VerificationFails = 0,
  Accepted = 1,
  Pending = 2,                   // keys are being fetched: ask again
  Missing = 3,
  NotYetValid = 4, Expired = 5,
  BadFormat = 6, HeaderBadBase64 = 7, HeaderBadJson = 8, HeaderBadAlg = 9, HeaderUnknownAlg = 10, HeaderBadKid = 11,
  PayloadBadBase64 = 12, PayloadBadJson = 13,
  BadIss = 14, BadSub = 15, BadIat = 16, IatOutOfRange = 17, BadNbf = 18, NbfOutOfRange = 19, BadExp = 20, ExpOutOfRange = 21,
  BadJti = 22, BadAud = 23, SignatureBadBase64 = 24,
  UnknownIssuer = 25, AudienceNotAllowed = 26,
  NoMatchingKey = 27, NoValidKeys = 28, FetchFailed = 29,
  TooLarge = 30, UnknownCrit = 31,
}

/** The body of the refusal; with blanks made underscores, also the reason in the details. */
export function outcomeText(outcome: Outcome): string {
  switch (outcome) {
    case Outcome.Missing: return "Jwt is missing";
    case Outcome.NotYetValid: return "Jwt not yet valid";
    case Outcome.Expired: return "Jwt is expired";
    case Outcome.BadFormat: return "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
    case Outcome.HeaderBadBase64: return "Jwt header is an invalid Base64url encoded";
    case Outcome.HeaderBadJson: return "Jwt header is an invalid JSON";
    case Outcome.HeaderBadAlg: return "Jwt header [alg] field is required and must be a string";
    case Outcome.HeaderUnknownAlg: return "Jwt header [alg] is not supported";
    case Outcome.HeaderBadKid: return "Jwt header [kid] field is not a string";
    case Outcome.PayloadBadBase64: return "Jwt payload is an invalid Base64url encoded";
    case Outcome.PayloadBadJson: return "Jwt payload is an invalid JSON";
    case Outcome.BadIss: return "Jwt payload [iss] field is not a string";
    case Outcome.BadSub: return "Jwt payload [sub] field is not a string";
    case Outcome.BadIat: return "Jwt payload [iat] field is not an integer";
    case Outcome.IatOutOfRange: return "Jwt payload [iat] field is not a positive 64 bit integer";
    case Outcome.BadNbf: return "Jwt payload [nbf] field is not an integer";
    case Outcome.NbfOutOfRange: return "Jwt payload [nbf] field is not a positive 64 bit integer";
    case Outcome.BadExp: return "Jwt payload [exp] field is not an integer";
    case Outcome.ExpOutOfRange: return "Jwt payload [exp] field is not a positive 64 bit integer";
    case Outcome.BadJti: return "Jwt payload [jti] field is not a string";
    case Outcome.BadAud: return "Jwt payload [aud] field is not a string or string list";
    case Outcome.SignatureBadBase64: return "Jwt signature is an invalid Base64url encoded";
    case Outcome.UnknownIssuer: return "Jwt issuer is not configured";
    case Outcome.AudienceNotAllowed: return "Audiences in Jwt are not allowed";
    case Outcome.NoMatchingKey: return "Jwks doesn't have key to match kid or alg from Jwt";
    case Outcome.NoValidKeys: return "Jwks doesn't have any valid public key";
    case Outcome.FetchFailed: return "Jwks remote fetch is failed";
    case Outcome.TooLarge: return "Jwt is too large";
    case Outcome.UnknownCrit: return "Jwt header [crit] is not supported";
    default: return "Jwt verification fails";
  }
}

/** 401, except for a good token of somebody else's audience. */
export function outcomeStatus(outcome: Outcome): u32 { return outcome == Outcome.AudienceNotAllowed ? 403 : 401; }

/** Which of two providers' refusals tells more: one that looked at the token over one that did not know it. */
export function moreTelling(a: Outcome, b: Outcome): Outcome { return rank(b) >= rank(a) ? b : a; }
function rank(outcome: Outcome): i32 { return outcome == Outcome.Missing ? 0 : outcome == Outcome.UnknownIssuer ? 1 : 2; }
