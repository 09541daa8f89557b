/**
 * The bytes of a message as they came, out of its RAW lockbox: for reprocessing and for whoever looks after the quarantine.
 * Never for readers of records.
 */
import type { SystemPermit } from '../consent/permit.ts';
import { GatewayError } from '../core/errors.ts';
import { groupNumber, type LeafIndex, type ResourceKey } from '../core/ids.ts';
import type { DocumentBody } from '../record/document.ts';
import { RAW_PART_BYTES, type ManifestContent } from '../record/manifest.ts';
import { groupDigest, unsealGroup } from '../record/sealed-group.ts';
import type { Keyring } from '../write/keyring.ts';
import type { MessageStore } from './message-store.ts';

export interface RawDeps {
  readonly messages: Pick<MessageStore, 'payloads'>;
  readonly keyring: Pick<Keyring, 'byLeaf'>;
}

export interface RawMessage {
  readonly bytes: Buffer;
  /** In whose lockbox it lies; undefined: in that of the day on which it came. */
  readonly patient: ResourceKey | undefined;
}

/**
 * Opens the raw message of a manifest. The permit's reason must be `reprocess`. Throws `not-found` when the manifest names
 * none, `integrity` when a payload is not what it names.
 */
export async function openRaw(
  deps: RawDeps,
  permit: SystemPermit,
  leaf: LeafIndex,
  document: DocumentBody,
  content: ManifestContent,
): Promise<RawMessage> {
  if (permit.reason !== 'reprocess') throw new GatewayError('forbidden', 'the permit is not for raw messages');
  const { raw: size } = content;
  if (size === undefined) throw new GatewayError('not-found', 'this message was kept without the bytes it came as');
  const others = new Set([...content.groups, ...(content.more ?? [])]);
  const parts = Math.max(1, Math.ceil(size / RAW_PART_BYTES));
  const places = content.lockboxes
    .flatMap((box, ordinal) => (box === null || others.has(ordinal) ? [] : [ordinal]))
    .slice(0, parts)
    .map((ordinal) => ({ ordinal, group: groupNumber(leaf, ordinal) }));
  const payloads = await deps.messages.payloads(places.map(({ group }) => group));
  const boxes = await deps.keyring.byLeaf([...payloads.values()].map(({ lockbox }) => lockbox));
  let patient: ResourceKey | undefined;
  const texts = places.map(({ ordinal, group }, i) => {
    const payload = payloads.get(group);
    const lockbox = payload && boxes.get(payload.lockbox);
    if (
      payload === undefined ||
      lockbox === undefined ||
      groupDigest(payload.body).toString('base64url') !== document.payloads[ordinal]?.digest
    ) {
      throw new GatewayError('integrity', 'a payload is not the one that its manifest names');
    }
    patient = lockbox.patient;
    // What follows is padding.
    return unsealGroup(lockbox.keyObject, payload.body).plaintext.subarray(0, size - i * RAW_PART_BYTES);
  });
  const bytes = Buffer.concat(texts.map((text) => text.subarray(0, RAW_PART_BYTES)));
  if (bytes.length !== size) throw new GatewayError('integrity', 'a raw message is shorter than its manifest says');
  return { bytes, patient };
}
