/** Rows of documents and payloads as bulk reads bring them (`copy-out`), for all who read a log in order. */
import type { GroupNumber } from '../../core/ids.ts';
import type { DocumentEntry, PayloadRow } from '../../services/verify-source.ts';
import type { CopiedRow } from './copy-out.ts';

/** leaf, digest, body */
export function documentEntry(row: CopiedRow): DocumentEntry {
  return { leaf: row.int8(), digest: row.some(), bytes: row.some() };
}

/** leaf, body */
export function leafAndBytes(row: CopiedRow): { readonly leaf: number; readonly bytes: Buffer } {
  return { leaf: row.int8(), bytes: row.some() };
}

/** grp, digest, size, body */
export function payloadRow(row: CopiedRow): PayloadRow {
  return { group: row.int8() as GroupNumber, digest: row.some(), size: row.int8(), packed: row.bytes() };
}
