/**
 * The one error type of the product and the table of its codes. Each protocol renders a code through this table, so
 * that the same fault reads the same everywhere. Messages never contain PHI: no names, values, identifiers, urls.
 */

/** FHIR issue type (http://hl7.org/fhir/issue-type), HTTP status, HL7 v2 table 0357 code and DIMSE status of each code. */
interface ErrorForm {
  readonly http: number;
  readonly issue: string;
  /** HL7 v2: acknowledgement code and table 0357 condition code. AE: mend or resend; AR: not taken. */
  readonly hl7: readonly ['AE' | 'AR', number];
  /** DIMSE status of PS3.4 B.2.3. A7xx only for what a retry can cure. */
  readonly dimse: number;
}

export const ERROR_FORMS = {
  'invalid-syntax': { http: 400, issue: 'structure', hl7: ['AE', 100], dimse: 0xc000 },
  'invalid-content': { http: 422, issue: 'invalid', hl7: ['AE', 102], dimse: 0xc000 },
  'required-missing': { http: 422, issue: 'required', hl7: ['AE', 101], dimse: 0xc000 },
  'business-rule': { http: 422, issue: 'business-rule', hl7: ['AE', 207], dimse: 0xc000 },
  'invalid-charset': { http: 400, issue: 'structure', hl7: ['AE', 102], dimse: 0xc000 },
  'not-supported': { http: 400, issue: 'not-supported', hl7: ['AR', 207], dimse: 0x0122 },
  'unsupported-message-type': { http: 400, issue: 'not-supported', hl7: ['AR', 200], dimse: 0x0122 },
  'unsupported-event': { http: 400, issue: 'not-supported', hl7: ['AR', 201], dimse: 0x0122 },
  'unsupported-processing-id': { http: 400, issue: 'not-supported', hl7: ['AR', 202], dimse: 0x0122 },
  'unsupported-version': { http: 400, issue: 'not-supported', hl7: ['AR', 203], dimse: 0x0122 },
  'unsupported-media-type': { http: 415, issue: 'not-supported', hl7: ['AR', 207], dimse: 0x0122 },
  'not-acceptable': { http: 406, issue: 'not-supported', hl7: ['AR', 207], dimse: 0x0122 },
  'method-not-allowed': { http: 405, issue: 'not-supported', hl7: ['AR', 207], dimse: 0x0122 },
  'too-large': { http: 413, issue: 'too-long', hl7: ['AR', 207], dimse: 0xc000 },
  'too-costly': { http: 400, issue: 'too-costly', hl7: ['AR', 207], dimse: 0xc000 },
  unauthenticated: { http: 401, issue: 'login', hl7: ['AR', 207], dimse: 0x0124 },
  forbidden: { http: 403, issue: 'forbidden', hl7: ['AR', 207], dimse: 0x0124 },
  'not-found': { http: 404, issue: 'not-found', hl7: ['AE', 204], dimse: 0xc000 },
  gone: { http: 410, issue: 'deleted', hl7: ['AE', 204], dimse: 0xc000 },
  conflict: { http: 409, issue: 'conflict', hl7: ['AE', 205], dimse: 0x0111 },
  'precondition-failed': { http: 412, issue: 'conflict', hl7: ['AE', 207], dimse: 0xc000 },
  'precondition-required': { http: 428, issue: 'required', hl7: ['AE', 207], dimse: 0xc000 },
  expired: { http: 410, issue: 'expired', hl7: ['AE', 207], dimse: 0xc000 },
  busy: { http: 503, issue: 'throttled', hl7: ['AE', 206], dimse: 0xa700 },
  unavailable: { http: 503, issue: 'transient', hl7: ['AE', 207], dimse: 0xa700 },
  'storage-full': { http: 507, issue: 'no-store', hl7: ['AE', 207], dimse: 0xa700 },
  timeout: { http: 504, issue: 'timeout', hl7: ['AE', 207], dimse: 0xa700 },
  internal: { http: 500, issue: 'exception', hl7: ['AE', 207], dimse: 0x0110 },
  integrity: { http: 500, issue: 'security', hl7: ['AE', 207], dimse: 0x0110 },
} as const satisfies Record<string, ErrorForm>;

export type ErrorCode = keyof typeof ERROR_FORMS;

/** Whether a text is the code of an error. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_FORMS, text);
}

/** One finding about an input; no values in it. */
export interface InputIssue {
  readonly severity: 'error' | 'warning';
  /** FHIR issue type. */
  readonly code: string;
  readonly expression: string;
  readonly diagnostics: string;
}

export interface ErrorDetail {
  /** Where in the input, in the protocol's own notation (FHIRPath, `PID-3.1`, a tag); never a value. */
  readonly expression?: string;
  readonly cause?: unknown;
  /** All findings, where one message is not enough (validation). */
  readonly issues?: readonly InputIssue[];
}

/** A fault with a stable code. `message` tells the person what to do next and holds no PHI. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly expression: string | undefined;
  readonly issues: readonly InputIssue[];

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.expression = detail.expression;
    this.issues = detail.issues ?? [];
  }

  get form(): ErrorForm {
    return ERROR_FORMS[this.code];
  }
}

/** Any thrown value as a GatewayError; what is not one becomes `internal` with the original as cause. */
export function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError('internal', 'an internal error occurred; the log has its class under the same request id', {
    cause: thrown,
  });
}
