/**
 * The receipt of one version of a record: its leaf's inclusion proof, the document, and the sealed group and line in which
 * the version stands. Nothing in it is in plain text, but it tells that the record exists: who may not read the version may
 * not have its receipt either, and the request is in the audit trail.
 */
import { leafOfGroup, ordinalOfGroup } from '../core/ids.ts';
import { resourceKey } from '../keys/index-secret.ts';
import { compactOf } from '../record/sealed-group.ts';
import { authorizeVersion, type ReadDeps, type ReadRequest } from './open-version.ts';
import type { ReadLedger } from './read-ledger.ts';
import { versionNumber } from './read-version.ts';
import type { StoredVersion } from './record-store.ts';

export interface ProveDeps extends ReadDeps {
  readonly ledger: Pick<ReadLedger, 'receiptOf'>;
}

/** The `.tlog-proof` text. Recorded before it returns. Throws `not-found`, `forbidden`; a deletion has a receipt too. */
export async function proveVersion(deps: ProveDeps, request: ReadRequest, versionId: string): Promise<string> {
  const key = resourceKey(deps.keyring.gatewaySecret, request.type, request.id);
  const version = versionNumber(versionId);
  const stored = version === undefined ? undefined : await deps.records.version(key, version);
  await authorizeVersion(deps, request, 'operation', stored);
  // Refused above when there is none.
  if (stored === undefined) return '';
  return receiptOfVersion(deps.ledger, stored);
}

/** The receipt of a stored version, whoever asks. */
export function receiptOfVersion(ledger: Pick<ReadLedger, 'receiptOf'>, stored: StoredVersion): Promise<string> {
  const { group, line, body } = stored;
  return ledger.receiptOf(leafOfGroup(group), { payload: ordinalOfGroup(group), line, sealed: compactOf(body) });
}
