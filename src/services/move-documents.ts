/**
 * Large documents of a message leave their resources before the message is written: each becomes a Binary whose content
 * lies as an encrypted blob, and the attachment refers to it by `url`, with size and hash. A Binary that a client submits
 * keeps its place; only its content moves. Order of effects: blobs durable, then the submission; a crash between them
 * leaves orphan blobs, which are swept.
 *
 * The same document of the same patient again is the same Binary: a corrected message does not store its PDF twice.
 */
import { asGatewayError } from '../core/errors.ts';
import {
  ATTACHMENT_CROWDED_CHARACTERS,
  ATTACHMENT_INLINE_CHARACTERS,
  ATTACHMENTS_MAX_CHARACTERS,
} from '../core/limits.ts';
import { randomUuid, type Random } from '../core/random.ts';
import { changeReference, parseChangeReference, type BusinessKey, type Change } from '../formats/fhir/change.ts';
import { INTERNAL_TYPES } from '../formats/fhir/internal-types.ts';
import { subjectOf } from '../formats/fhir/references.ts';
import type { Coding, Resource } from '../formats/fhir/resource.ts';
import { securityOf } from '../labels/label-coding.ts';
import { labelsOf } from '../labels/labels-of.ts';
import type { Accepted, BlobReference, Result, Submission, Writer } from '../write/submission.ts';
import { BINARY_CONTENT, contentPointer, encodeContent, holderOf, metaOf, withoutPointer } from './binary-content.ts';
import { largeAttachments, replaceObjects, type InlineAttachment } from './find-attachments.ts';
import { sealDocument, type SealDocumentDeps, type SealedDocument } from './seal-document.ts';
import { IN_DOUBT, removeUnnamed, type UnnamedBlobDeps } from './unnamed-blob.ts';

export type MoveDocumentsDeps = SealDocumentDeps & UnnamedBlobDeps;

/** A document that moves: of which Change, about which patient, how sensitive. */
interface Moving {
  readonly change: number;
  /** Undefined: it is the content of a Binary, not an attachment. */
  readonly attachment: InlineAttachment | undefined;
  readonly data: string;
  /** Reference to the patient: a placeholder or `Patient/<id>`. */
  readonly subject: string;
  readonly security: readonly Coding[];
  readonly sourceTime: number;
}

/** The writer behind this step. What has no large documents passes as it is. */
export function movingDocuments<W extends Writer>(deps: MoveDocumentsDeps, writer: W): W {
  return {
    ...writer,
    async submit(submission: Submission): Promise<Accepted> {
      const moving = findMoving(submission);
      return moving.length === 0 ? writer.submit(submission) : submitMoved(deps, writer, submission, moving);
    },
  };
}

function findMoving({ raw, changes }: Submission): readonly Moving[] {
  // Hexadecimal and plain text grow by at most a third when they become base64.
  if (raw !== undefined && raw.bytes.length < ATTACHMENT_CROWDED_CHARACTERS) return [];
  return changes.flatMap((change, i) => (change.mode === 'delete' ? [] : documentsOf(changes, change, i)));
}

function documentsOf(changes: readonly Change[], change: Exclude<Change, { mode: 'delete' }>, i: number): Moving[] {
  const attachments = crowded(change);
  const { data } = change.set;
  const isContent = change.type === 'Binary' && typeof data === 'string' && data.length > ATTACHMENT_INLINE_CHARACTERS;
  if (attachments.length === 0 && !isContent) return [];
  const resource = stated(change);
  const subject = change.type === 'Patient' ? changeReference(i) : subjectOf(resource);
  // Without a patient there is no lockbox for it: the writer says that the resource is too large.
  if (subject === undefined) return [];
  const security = securityOf(resource, labelsOf(resource));
  const { sourceTime } = change;
  const base = { change: i, subject: direct(changes, subject), security, sourceTime };
  return [
    ...(isContent ? [{ ...base, attachment: undefined, data }] : []),
    ...attachments.map((attachment) => ({ ...base, attachment, data: attachment.data })),
  ];
}

/** All that a Change says of its resource. */
function stated(change: Exclude<Change, { mode: 'delete' }>): Resource {
  if (change.mode === 'replace') return change.set;
  return { ...change.initial, ...change.append, ...change.set, resourceType: change.type };
}

function parts(change: Exclude<Change, { mode: 'delete' }>): readonly unknown[] {
  return change.mode === 'replace' ? [change.set] : [change.set, change.append, change.initial];
}

/** The attachments of a Change that are too large for it: each by itself, or all that are not small where they are too many. */
function crowded(change: Exclude<Change, { mode: 'delete' }>): InlineAttachment[] {
  const found = largeAttachments(parts(change), ATTACHMENT_CROWDED_CHARACTERS);
  const total = found.reduce((sum, { data }) => sum + data.length, 0);
  return total > ATTACHMENTS_MAX_CHARACTERS
    ? found
    : found.filter(({ data }) => data.length > ATTACHMENT_INLINE_CHARACTERS);
}

/** A placeholder of an update with a chosen id is that id: the key of the content must be the same next time. */
function direct(changes: readonly Change[], subject: string): string {
  const change = changes[parseChangeReference(subject) ?? -1];
  return change?.mode === 'replace' && change.id !== undefined ? `${change.type}/${change.id}` : subject;
}

async function submitMoved(
  deps: MoveDocumentsDeps,
  writer: Writer,
  submission: Submission,
  moving: readonly Moving[],
): Promise<Accepted> {
  const sealed: SealedDocument[] = [];
  try {
    for (const { data } of moving) sealed.push(await sealDocument(deps, data));
    const { changes, blobs } = rewrite(deps.random, submission.changes, moving, sealed);
    const count = submission.changes.length;
    const { answer, authorize } = submission;
    const accepted = await writer.submit({
      ...submission,
      changes,
      blobs: [...(submission.blobs ?? []), ...blobs],
      ...(answer && { answer: (results) => answer(results.slice(0, count)) }),
      ...(authorize && { authorize: (targets) => authorize(targets.filter(({ type }) => !INTERNAL_TYPES.has(type))) }),
    });
    // A replay, or documents that were known: nothing names these blobs.
    const unneeded = blobs.filter(({ change }) => accepted.results[change]?.outcome !== 'created');
    for (const { digest } of unneeded) await removeUnnamed(deps, digest);
    return { ...accepted, results: accepted.results.slice(0, count).map(withoutInner) };
  } catch (thrown) {
    if (!IN_DOUBT.has(asGatewayError(thrown).code)) {
      for (const { content } of sealed) await removeUnnamed(deps, content.blob.digest);
    }
    throw thrown;
  } finally {
    for (const { content } of sealed) content.blob.key.fill(0);
  }
}

/** What a client hears of a Binary that it wrote: not where its content lies. */
function withoutInner(result: Result): Result {
  return result.type === 'Binary' && result.resource !== undefined
    ? { ...result, resource: withoutPointer(result.resource) }
    : result;
}

/** The Changes without the documents, followed by those that keep them. */
function rewrite(
  random: Random,
  changes: readonly Change[],
  moving: readonly Moving[],
  sealed: readonly SealedDocument[],
): { readonly changes: readonly Change[]; readonly blobs: readonly (BlobReference & { readonly change: number })[] } {
  const added: Change[] = [];
  const blobs: (BlobReference & { change: number })[] = [];
  const replaced = new Map<object, object>();
  const pointers = new Map<number, object>();
  const place = (change: Change): number => changes.length + added.push(change) - 1;
  moving.forEach(({ change, attachment, subject, security, sourceTime }, i) => {
    const { content, sha1, sha256 } = sealed[i];
    const base = { mode: 'merge' as const, sourceTime };
    const key: BusinessKey = ['content', sha256.toString('base64url'), ...ownerOf(random, changes, subject)];
    const kept = place({
      ...base,
      type: BINARY_CONTENT,
      keys: [key],
      set: { resourceType: BINARY_CONTENT, ...metaOf(security) },
      initial: encodeContent(content, subject),
      ...(attachment !== undefined && { append: holderOf(changeReference(change)) }),
    });
    blobs.push({ digest: content.blob.digest, size: content.blob.size, change: kept });
    const pointer = contentPointer(changeReference(kept));
    if (attachment === undefined) {
      pointers.set(change, pointer);
      return;
    }
    const { data: _data, _data: _more, ...rest } = attachment;
    const contentType = typeof rest.contentType === 'string' ? rest.contentType : 'application/octet-stream';
    const binary = place({
      ...base,
      type: 'Binary',
      keys: [[...key, contentType]],
      set: { resourceType: 'Binary', ...metaOf(security) },
      initial: { contentType, securityContext: { reference: subject }, _data: pointer },
    });
    replaced.set(attachment, { ...rest, url: changeReference(binary), size: content.size, hash: sha1 });
  });
  const rewritten = changes.map((change, i): Change => {
    if (change.mode === 'delete') return change;
    const { data: _data, ...bare } = change.set;
    const pointer = pointers.get(i);
    const set = pointer === undefined ? change.set : { ...bare, resourceType: change.type, _data: pointer };
    return replaceObjects({ ...change, set }, replaced);
  });
  return { changes: [...rewritten, ...added], blobs };
}

/**
 * Whose the content is: the patient's first business key where the message says one, the id where that is chosen. A patient that
 * is new and has neither is nobody that could come again.
 */
function ownerOf(random: Random, changes: readonly Change[], subject: string): BusinessKey {
  const place = parseChangeReference(subject);
  return place === undefined ? [subject] : (changes[place]?.keys[0] ?? ['new', randomUuid(random)]);
}
