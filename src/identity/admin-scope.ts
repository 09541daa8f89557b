/**
 * The right to administer a gateway: the scopes `admin.read` and `admin.write` (which reads as well). They mean something only
 * in tokens of the own institution's issuers, for practitioners and systems; in others they are passed over.
 */
import type { AdminRight, Role } from '../core/principal.ts';

/** What a `scope` claim says of administration; undefined: nothing. */
export function adminRightOf(scope: string, role: Role, ownInstitution: boolean): AdminRight | undefined {
  if (!ownInstitution || (role !== 'practitioner' && role !== 'system')) return undefined;
  const words = scope.split(' ');
  if (words.includes('admin.write')) return 'write';
  return words.includes('admin.read') ? 'read' : undefined;
}
