/**
 * How a Binary whose content lies in the blob store says so. The Binary itself has no `data`, but an extension on it that
 * refers to a record of the internal type BinaryContent, and that record has the blob's digest and key. It stands in a
 * lockbox of the same patient, so that whoever destroys the patient's keys destroys the document.
 */
import { GatewayError } from '../core/errors.ts';
import { parseReference } from '../formats/fhir/references.ts';
import type { Coding, Resource } from '../formats/fhir/resource.ts';
import { BLOB_KEY_BYTES } from '../record/blob.ts';

/** Internal type of the record (`formats/fhir/internal-types`). */
export const BINARY_CONTENT = 'BinaryContent';

/** Url of the extension on `Binary.data`. Set by the gateway alone. */
export const SEALED_CONTENT = 'https://anamnesis.health/fhir/StructureDefinition/sealed-content';

/** Where the content lies. */
export interface SealedContent {
  /** Bytes of the content. */
  readonly size: number;
  readonly blob: {
    /** SHA-256 of the ciphertext, 32 bytes. */
    readonly digest: Buffer;
    /** Ciphertext bytes. */
    readonly size: number;
    /** 32 bytes. */
    readonly key: Buffer;
  };
}

/** `Binary._data` that refers to the record `url`, which may be a placeholder. An Attachment: R4 knows no Reference to such a type. */
export function contentPointer(url: string): object {
  return { extension: [{ url: SEALED_CONTENT, valueAttachment: { contentType: 'application/octet-stream', url } }] };
}

/** Id of the BinaryContent that a Binary refers to; undefined for one that has its content in itself. */
export function contentIdOf(binary: Resource): string | undefined {
  const { _data: data } = binary;
  if (!isObject(data) || !Array.isArray(data.extension)) return undefined;
  for (const extension of data.extension as readonly unknown[]) {
    if (!isObject(extension) || extension.url !== SEALED_CONTENT || !isObject(extension.valueAttachment)) continue;
    const { url } = extension.valueAttachment;
    const target = typeof url === 'string' ? parseReference(url) : undefined;
    if (target?.type === BINARY_CONTENT && target.local) return target.id;
  }
  return undefined;
}

/** The Binary without what only the gateway understands. */
export function withoutPointer<R extends Resource>(binary: R): R {
  const { _data: _pointer, ...rest } = binary;
  return { ...rest, resourceType: binary.resourceType } as unknown as R;
}

/** Elements of a BinaryContent. `subject`: reference to the patient. */
export function encodeContent(content: SealedContent, subject: string): Readonly<Record<string, unknown>> {
  const { size, blob } = content;
  return {
    subject: { reference: subject },
    size,
    blob: {
      digest: blob.digest.toString('base64url'),
      size: blob.size,
      key: blob.key.toString('base64url'),
    },
  };
}

/** Element of a BinaryContent: a record that the document came with as its attachment, among all that did. */
export function holderOf(reference: string): Readonly<Record<string, readonly unknown[]>> {
  return { partOf: [{ reference }] };
}

/** The records that a document came with; none for one that a client wrote as a Binary. */
export function holdersOf({ partOf }: Resource): readonly { readonly type: string; readonly id: string }[] {
  if (!Array.isArray(partOf)) return [];
  return partOf.flatMap((entry: unknown) => {
    const target = isObject(entry) && typeof entry.reference === 'string' ? parseReference(entry.reference) : undefined;
    return target?.local === true && target.type !== undefined ? [{ type: target.type, id: target.id }] : [];
  });
}

/** Reads an opened BinaryContent. Throws `integrity` when it is none. */
export function decodeContent(resource: Resource): SealedContent {
  const { size, blob } = resource;
  if (resource.resourceType === BINARY_CONTENT && typeof size === 'number' && isObject(blob)) {
    const { digest, key, size: sealed } = blob;
    if (typeof digest === 'string' && typeof key === 'string' && typeof sealed === 'number') {
      const bytes = { digest: Buffer.from(digest, 'base64url'), key: Buffer.from(key, 'base64url') };
      if (bytes.key.length === BLOB_KEY_BYTES) return { size, blob: { ...bytes, size: sealed } };
    }
  }
  throw new GatewayError('integrity', 'the record of a document is not in the form of version 1');
}

/** Security labels in the form of `meta`; none where there are none. */
export function metaOf(security: readonly Coding[]): { readonly meta?: { readonly security: readonly Coding[] } } {
  return security.length === 0 ? {} : { meta: { security } };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
