/** OperationOutcome (R4): how every error of the FHIR endpoint is said. Codes and statuses come from `core/errors`. */
import type { GatewayError, InputIssue } from '../../../core/errors.ts';

interface OutcomeIssue {
  readonly severity: 'fatal' | 'error' | 'warning' | 'information';
  readonly code: string;
  readonly diagnostics: string;
  readonly expression?: readonly string[];
}

export interface OperationOutcome {
  readonly resourceType: 'OperationOutcome';
  readonly issue: readonly OutcomeIssue[];
}

/** The outcome of an error: its findings one by one where it has them, else its own message. */
export function outcomeOf(error: GatewayError): OperationOutcome {
  if (error.issues.length > 0) return { resourceType: 'OperationOutcome', issue: error.issues.map(issueOf) };
  const { expression } = error;
  return {
    resourceType: 'OperationOutcome',
    issue: [
      {
        severity: error.form.http >= 500 ? 'fatal' : 'error',
        code: error.form.issue,
        diagnostics: error.message,
        ...(expression === undefined ? {} : { expression: [expression] }),
      },
    ],
  };
}

function issueOf({ severity, code, diagnostics, expression }: InputIssue): OutcomeIssue {
  return { severity, code, diagnostics, expression: [expression] };
}

/** What `Prefer: return=OperationOutcome` gets after a write that went well. */
export function success(diagnostics: string): OperationOutcome {
  return { resourceType: 'OperationOutcome', issue: [{ severity: 'information', code: 'informational', diagnostics }] };
}
