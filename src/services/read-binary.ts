/**
 * Read of a Binary with its content (R4 binary, http://hl7.org/fhir/R4/binary.html#rest). Decided and recorded as the read of
 * any resource; only then is the record of its content opened, by a system permit, and only when it is the same patient's.
 */
import { systemPermit } from '../consent/permit.ts';
import { GatewayError } from '../core/errors.ts';
import { resourceKey } from '../keys/index-secret.ts';
import { openBlob, type ByteRange } from '../record/blob.ts';
import type { BlobStore } from '../record/blob-store.ts';
import { openLines } from '../record/open.ts';
import { isTombstone, type StoredResource } from '../formats/fhir/resource.ts';
import {
  BINARY_CONTENT,
  contentIdOf,
  decodeContent,
  holdersOf,
  withoutPointer,
  type SealedContent,
} from './binary-content.ts';
import {
  notFound,
  openVersion,
  refusal,
  type OpenedVersion,
  type ReadRequest,
  type ReadVersion,
} from './open-version.ts';
import { readResource } from './read-resource.ts';
import { readVersion } from './read-version.ts';
import type { RenderDeps } from './render-message.ts';

export interface BinaryDeps extends RenderDeps {
  readonly blobs: Pick<BlobStore, 'readAt' | 'stat'>;
}

export interface ReadBinary extends ReadVersion {
  readonly content: BinaryBytes;
}

/** The bytes of a Binary. */
export interface BinaryBytes {
  readonly size: number;
  /** The bytes, or a range of them, in pieces of at most 64 KiB; each is authentic when it is yielded. Throws `integrity`. */
  open(range?: ByteRange): AsyncIterable<Buffer>;
}

/** The current version, or `versionId`. Recorded before it returns. Throws `not-found`, `forbidden`, `gone`, `integrity`. */
export async function readBinary(deps: BinaryDeps, request: ReadRequest, versionId?: string): Promise<ReadBinary> {
  await refuseWithHolders(deps, request, versionId === undefined ? 'read' : 'vread');
  const version =
    versionId === undefined ? await readResource(deps, request) : await readVersion(deps, request, versionId);
  const { resource } = version;
  const contentId = contentIdOf(resource);
  if (contentId === undefined) return { ...version, content: inlineBytes(resource.data) };
  const content = await openContent(deps, request, contentId);
  return { ...version, resource: withoutPointer(resource), content: blobBytes(deps, content) };
}

/**
 * A Consent speaks of the record that a document came with: by its code, class, dates, or by naming it. Nothing of that stands in the
 * Binary, so who is refused every such record is refused the Binary too. Records that are gone, or that refer to it no longer, do not
 * count. Throws `not-found`, `forbidden`, recorded.
 */
async function refuseWithHolders(deps: BinaryDeps, request: ReadRequest, interaction: 'read' | 'vread'): Promise<void> {
  const { principal, type, id, requestId } = request;
  const { gatewaySecret } = deps.keyring;
  const own = resourceKey(gatewaySecret, type, id);
  const binary = (await deps.records.current([own])).get(own);
  const opened = binary && (await openVersion(deps, principal, type, binary));
  const contentId = opened?.outcome.kind === 'open' ? contentIdOf(opened.outcome.resource) : undefined;
  if (opened === undefined || contentId === undefined) return;
  const holders = holdersOf(await openContentRecord(deps, request, contentId));
  const keys = holders.map((holder) => resourceKey(gatewaySecret, holder.type, holder.id));
  const stored = await deps.records.current(keys);
  let refused: Extract<OpenedVersion['outcome'], { kind: 'refused' }> | undefined;
  for (const [i, holder] of holders.entries()) {
    const current = stored.get(keys[i]);
    if (current === undefined) continue;
    const { outcome } = await openVersion(deps, principal, holder.type, current);
    if (outcome.kind === 'refused') refused = outcome;
    else if (!isTombstone(outcome.resource) && JSON.stringify(outcome.resource).includes(`"Binary/${id}"`)) return;
  }
  if (refused === undefined) return;
  const { patient } = opened;
  const references = [`${type}/${id}`];
  const { reasons, mayKnow } = refused;
  await deps.recorder.record({ principal, interaction, outcome: 'denied', patient, references, requestId, reasons });
  throw refusal(mayKnow);
}

async function openContent(deps: BinaryDeps, request: ReadRequest, contentId: string): Promise<SealedContent> {
  const sealed = decodeContent(await openContentRecord(deps, request, contentId));
  // Looked for now: once the answer has begun, a missing blob could only break it off.
  if ((await deps.blobs.stat(sealed.blob.digest))?.size !== sealed.blob.size) throw lost();
  return sealed;
}

async function openContentRecord(
  deps: BinaryDeps,
  { type, id }: ReadRequest,
  contentId: string,
): Promise<StoredResource> {
  const { gatewaySecret } = deps.keyring;
  const own = resourceKey(gatewaySecret, type, id);
  const key = resourceKey(gatewaySecret, BINARY_CONTENT, contentId);
  const stored = await deps.records.current([own, key]);
  const [binary, content] = [stored.get(own), stored.get(key)];
  if (binary === undefined || content === undefined) throw lost();
  const boxes = await deps.keyring.byLeaf([binary.lockbox, content.lockbox]);
  const box = boxes.get(content.lockbox);
  if (box === undefined || box.patient === undefined || box.patient !== boxes.get(binary.lockbox)?.patient) {
    throw notFound();
  }
  const [record] = openLines(systemPermit('render'), box, content.body, [content], gatewaySecret);
  if (record === undefined) throw lost();
  return record;
}

function lost(): GatewayError {
  return new GatewayError('integrity', 'the content of a document is not there; run `anamnesis verify`');
}

function blobBytes({ blobs }: Pick<BinaryDeps, 'blobs'>, { size, blob }: SealedContent): BinaryBytes {
  const source = {
    size: blob.size,
    readAt: (offset: number, length: number) => blobs.readAt(blob.digest, offset, length),
  };
  return { size, open: (range) => openBlob(blob.key, source, range) };
}

function inlineBytes(data: unknown): BinaryBytes {
  const bytes = Buffer.from(typeof data === 'string' ? data : '', 'base64');
  return {
    size: bytes.length,
    async *open(range) {
      const piece = bytes.subarray(range?.start ?? 0, range?.end ?? bytes.length);
      if (piece.length > 0) yield piece;
    },
  };
}
