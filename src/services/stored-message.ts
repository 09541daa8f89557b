/**
 * What the gateway keeps of an HL7 v2 message besides its bytes and its records: read back from its manifest, for those who look
 * after the interfaces. No PHI of a patient stands in a manifest.
 */
import { parseMessageDetails, type MessageDetails } from '../audit/message-details.ts';
import type { LeafIndex } from '../core/ids.ts';
import { parseDocument, type DocumentBody } from '../record/document.ts';
import type { ManifestContent, QuarantineReason } from '../record/manifest.ts';
import type { Keyring } from '../write/keyring.ts';
import { unsealManifest } from '../write/writer.ts';
import type { MessageStore } from './message-store.ts';
import type { QuarantineStore } from './quarantine-store.ts';

export interface StoredMessageDeps {
  readonly messages: MessageStore;
  readonly quarantine: QuarantineStore;
  readonly keyring: Keyring;
}

export interface MessageSummary {
  /** Its manifest in the log: how a message is named here. */
  readonly leaf: LeafIndex;
  readonly source: string;
  /** Instant. */
  readonly received: string;
  /** `ADT^A01`. */
  readonly message: string;
  readonly controlId: string;
  /** Why it was kept without being converted. */
  readonly quarantine?: QuarantineReason;
  /** What took it out of quarantine. */
  readonly reprocessedBy?: LeafIndex;
  /** The message of the quarantine that it makes records of. */
  readonly reprocessOf?: LeafIndex;
  /** Why nothing will ever be made of that message: somebody's words. */
  readonly dismissed?: string;
}

export interface StoredMessage extends MessageSummary {
  /** MSH-7 as FHIR dateTime. */
  readonly messageTime?: string;
  readonly version?: string;
  /** Version of the source's profile that read it; absent for the profile of the settings. */
  readonly sourceVersion?: number;
  readonly sender?: string;
  readonly receiver?: string;
  /** An earlier message of the source that came under the same control id with other bytes. */
  readonly sameControlId?: LeafIndex;
  /** Bytes as it came; absent for a reprocessed one, whose bytes stand at `reprocessOf`. */
  readonly bytes?: number;
  /** Sealed groups of records that it made. */
  readonly groups: number;
  /** Segment identifiers that nothing was made of, with how often they came. */
  readonly unmapped?: unknown;
  /** Fields that did not get into a record, with the reason; no values. */
  readonly omissions?: unknown;
}

/** An HL7 v2 message with the document that anchors it. */
export interface OpenedMessage {
  readonly document: DocumentBody;
  readonly content: ManifestContent;
  readonly details: MessageDetails;
}

/** The message of a leaf; undefined when there is none, or it is of another kind. Throws `integrity`. */
export async function openMessage(
  { messages, keyring }: Pick<StoredMessageDeps, 'messages' | 'keyring'>,
  leaf: LeafIndex,
): Promise<OpenedMessage | undefined> {
  const bytes = await messages.document(leaf);
  return bytes && openDocument(keyring, bytes);
}

/** The same of a document that was read. */
export async function openDocument(keyring: Keyring, bytes: Buffer): Promise<OpenedMessage | undefined> {
  const document = parseDocument(bytes);
  if (document.typ !== 'manifest') return undefined;
  const content = await unsealManifest(keyring, document);
  const details = content.kind === 'hl7v2' ? parseMessageDetails(content.details) : undefined;
  return details && { document, content, details };
}

export function summaryOf(
  leaf: LeafIndex,
  { content, details }: OpenedMessage,
  reprocessedBy: LeafIndex | undefined,
): MessageSummary {
  const { source, at, quarantine, reprocessOf } = content;
  const { dismissed } = content.details;
  return {
    leaf,
    source,
    received: new Date(at).toISOString(),
    message: `${details.messageCode}^${details.event}`,
    controlId: details.controlId,
    ...(quarantine !== undefined && { quarantine }),
    ...(reprocessedBy !== undefined && { reprocessedBy }),
    ...(reprocessOf !== undefined && { reprocessOf }),
    ...(typeof dismissed === 'string' && { dismissed }),
  };
}

/** Everything about one message; undefined when no HL7 v2 message has this leaf. */
export async function storedMessage(deps: StoredMessageDeps, leaf: LeafIndex): Promise<StoredMessage | undefined> {
  const opened = await openMessage(deps, leaf);
  if (opened === undefined) return undefined;
  const { content, details } = opened;
  const { messageTime, version } = details;
  const sender = partyOf(details.sendingApplication, details.sendingFacility);
  const receiver = partyOf(details.receivingApplication, details.receivingFacility);
  const { unmapped, omissions, sourceVersion } = content.details;
  return {
    ...summaryOf(leaf, opened, (await deps.quarantine.reprocessed([leaf])).get(leaf)),
    ...(messageTime !== undefined && { messageTime }),
    ...(version !== undefined && { version }),
    ...(typeof sourceVersion === 'number' && { sourceVersion }),
    ...(sender !== undefined && { sender }),
    ...(receiver !== undefined && { receiver }),
    ...(content.sameControl !== undefined && { sameControlId: content.sameControl }),
    ...(content.raw !== undefined && { bytes: content.raw }),
    groups: content.groups.length,
    ...(unmapped !== undefined && { unmapped }),
    ...(omissions !== undefined && { omissions }),
  };
}

function partyOf(
  application: MessageDetails['sendingApplication'],
  facility: MessageDetails['sendingFacility'],
): string | undefined {
  const names = [application, facility].map((party) => party?.name ?? party?.uri ?? '');
  return names.every((name) => name === '') ? undefined : names.join('|');
}
