/** What a FHIR client may not send: what is not valid R4, and what only the gateway itself writes. Pure. */
import { GatewayError, type InputIssue } from '../core/errors.ts';
import { GATEWAY_TAG_SYSTEM, type Resource } from '../formats/fhir/resource.ts';
import { validateResource } from '../formats/fhir/validate.ts';
import { contentIdOf } from './binary-content.ts';
import { leafOfRenderedId } from './rendered-id.ts';

/** Types that only the gateway itself writes: a submitted one could pass for a true record of access. */
const GATEWAY_WRITES: ReadonlySet<string> = new Set(['AuditEvent', 'MessageHeader']);

/**
 * Everything that is wrong with a resource that a client sends, before anything is asked of the store. `at` is where it
 * stands in the request: empty, or `Bundle.entry[3].resource`.
 */
export function checkSubmitted(resource: unknown, type: string, at = ''): readonly InputIssue[] {
  const found = validateResource(resource, { type }).filter(({ severity }) => severity === 'error');
  const issues: InputIssue[] = found.map((issue) => ({ ...issue, expression: place(issue.expression, at) }));
  if (issues.length === 0 && hasGatewayTag(resource)) {
    issues.push({
      severity: 'error',
      code: 'business-rule',
      expression: place(`${type}.meta.tag`, at),
      diagnostics: `tags of the system ${GATEWAY_TAG_SYSTEM} are set by the gateway alone`,
    });
  }
  if (issues.length === 0 && isResource(resource) && contentIdOf(resource) !== undefined) {
    issues.push({
      severity: 'error',
      code: 'business-rule',
      expression: place(`${type}.data.extension`, at),
      diagnostics: 'this extension is set by the gateway alone; read the Binary by its own address to have its data',
    });
  }
  if (isResource(resource) && resource.id !== undefined && leafOfRenderedId(type, resource.id) !== undefined) {
    issues.push({
      severity: 'error',
      code: 'business-rule',
      expression: place(`${type}.id`, at),
      diagnostics: 'ids of this form belong to what the gateway renders from its messages',
    });
  }
  if (GATEWAY_WRITES.has(type)) {
    issues.push({
      severity: 'error',
      code: 'business-rule',
      expression: place(type, at),
      diagnostics: `${type} resources are written by the gateway alone`,
    });
  }
  return issues;
}

function place(expression: string, at: string): string {
  return at === '' ? expression : `${at}.${expression.slice(expression.indexOf('.') + 1)}`;
}

/** A tag of ours makes a version a tombstone; at any depth, since contained resources are resources too. */
function hasGatewayTag(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if ('system' in value && value.system === GATEWAY_TAG_SYSTEM) return true;
  return Object.values(value).some(hasGatewayTag);
}

/** Throws `invalid-content` with every issue. */
export function refuseIssues(issues: readonly InputIssue[]): void {
  if (issues.length === 0) return;
  const first = issues[0];
  throw new GatewayError('invalid-content', first.diagnostics, { expression: first.expression, issues });
}

/** True for a value that passed `checkSubmitted` without issues. */
export function isResource(value: unknown): value is Resource {
  return (
    typeof value === 'object' && value !== null && 'resourceType' in value && typeof value.resourceType === 'string'
  );
}
