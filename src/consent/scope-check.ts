/** SMART v2 scopes as a limit: what no scope of the token names is denied, whatever policy and Consents say. */
import type { Interaction, Principal } from '../core/principal.ts';

/**
 * Whether a scope of the principal covers the interaction on the type. `own`: the record is of the patient that the token
 * is bound to, or of no patient; scopes of level patient reach nothing else. Type undefined: whether any type is covered.
 */
export function scopeAllows(
  principal: Principal,
  action: Interaction,
  type: string | undefined,
  own: boolean,
): boolean {
  return principal.scopes.some(
    (scope) =>
      scope.interactions.has(action) &&
      (type === undefined || scope.type === '*' || scope.type === type) &&
      (scope.level !== 'patient' || own) &&
      (scope.level !== 'system' || principal.role === 'system') &&
      (scope.level !== 'user' || principal.role !== 'system'),
  );
}
