// Why a processor did not get to decide. Each closes the request: reasons are API, the same word in details, metric and log.

/** Reason → the status that the client gets. */
export const failures = {
  /** The route names a policy that is not here (yet, or any more). */
  gatewright_policy_unknown: 503,
  gatewright_processor_unknown: 503,
  gatewright_extproc_threw: 500,
  gatewright_extproc_deadline: 500,
  /** undefined, or something else that is no Reply. */
  gatewright_extproc_no_answer: 500,
  gatewright_extproc_invalid_answer: 500,
  /** An authorising processor is asked about a response or a body without having been asked about the request, or is not sent the body that it waits for. */
  gatewright_extproc_no_verdict: 500,
  gatewright_extproc_malformed_message: 500,
  gatewright_extproc_headers_too_large: 431,
  gatewright_extproc_body_too_large: 413,
} as const satisfies Readonly<Record<string, number>>;

export type Failure = keyof typeof failures;
