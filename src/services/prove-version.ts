/**
 * The receipt of one version of a record, or of a message: its leaf's inclusion proof, the document, and for a record the sealed
 * group and line in which the version stands. Nothing in it is in plain text, but it tells that the record exists: who may not
 * read it may not have its receipt either, and the request is in the audit trail.
 */
import { leafOfGroup, ordinalOfGroup, type LeafIndex } from '../core/ids.ts';
import { resourceKey } from '../keys/index-secret.ts';
import { compactOf } from '../record/sealed-group.ts';
import { authorizeVersion, notFound, type ReadRequest } from './open-version.ts';
import type { ReadLedger } from './read-ledger.ts';
import { readRendered } from './read-rendered.ts';
import { versionNumber } from './read-version.ts';
import type { StoredVersion } from './record-store.ts';
import type { RenderDeps } from './render-message.ts';
import { leafOfRenderedId } from './rendered-id.ts';

export interface ProveDeps extends RenderDeps {
  readonly ledger: Pick<ReadLedger, 'receiptOf'>;
}

/** What the caller may have proven. */
export interface Provable {
  /** Leaf of the manifest. */
  readonly leaf: LeafIndex;
  /** The `.tlog-proof` text, under the checkpoint that is best when this is called. */
  readonly receipt: () => Promise<string>;
}

/**
 * A version (without `versionId` the current one), or the message behind a rendered resource. Recorded before it returns.
 * Throws `not-found`, `forbidden`; a deletion has a receipt too.
 */
export async function proveVersion(deps: ProveDeps, request: ReadRequest, versionId?: string): Promise<Provable> {
  const leaf = leafOfRenderedId(request.type, request.id);
  if (leaf !== undefined && (versionId ?? '1') === '1') {
    await readRendered(deps, request, 'operation', leaf);
    return { leaf, receipt: () => deps.ledger.receiptOf(leaf) };
  }
  const stored = await storedVersion(deps, request, versionId);
  await authorizeVersion(deps, request, 'operation', stored);
  if (stored === undefined) throw notFound();
  return { leaf: leafOfGroup(stored.group), receipt: () => receiptOfVersion(deps.ledger, stored) };
}

async function storedVersion(
  { keyring, records }: ProveDeps,
  { type, id }: ReadRequest,
  versionId: string | undefined,
): Promise<StoredVersion | undefined> {
  const key = resourceKey(keyring.gatewaySecret, type, id);
  if (versionId === undefined) return (await records.current([key])).get(key);
  const version = versionNumber(versionId);
  return version === undefined ? undefined : records.version(key, version);
}

/** The receipt of a stored version, whoever asks. */
export function receiptOfVersion(ledger: Pick<ReadLedger, 'receiptOf'>, stored: StoredVersion): Promise<string> {
  const { group, line, body } = stored;
  return ledger.receiptOf(leafOfGroup(group), { payload: ordinalOfGroup(group), line, sealed: compactOf(body) });
}
