/**
 * Commit items as rows of binary COPY. What another thread prepared comes encoded, with places relative to its first leaf; the
 * commit copies it and adds the places. Items of this thread are encoded when they are committed.
 */
import { groupNumber, type LeafIndex } from '../../core/ids.ts';
import { reversed, type CommitItem, type NewDocument, type PackedItem, type PatientLink } from '../../write/ports.ts';
import type { Notice } from '../../record/notice.ts';
import { LINK_KINDS, wasActiveNumber } from './link-kinds.ts';
import type { CopyPart } from './copy-batch.ts';
import { CopyRows, INT8_LENGTH_BYTES } from './copy-binary.ts';

/** Tables of a commit item, in the order in which they are written. */
const TABLES = {
  document: 'document (leaf, digest, body)',
  payload: 'payload (grp, lockbox, digest, size, body)',
  lockbox: 'lockbox (leaf, slot, wrap, next_tag)',
  patient: 'patient (patient, leaf, wrap)',
  alias: 'alias (hash, resource)',
  record: 'record (resource, version, grp, line, source, source_time)',
  token: 'token (token, sort_time, grp, mask)',
  message: 'message (control, digest, leaf, thread)',
  link: 'patient_link (patient, other, seq, kind, was_active, source_time, leaf)',
  withdrawn: 'withdrawn (resource, version, leaf)',
  move: 'move (anchor, source, target, id, control, leaf)',
  restated: 'restated (resource, source, source_time, leaf)',
  quarantine: 'quarantine (leaf, reason, source, received)',
  reprocessed: 'reprocessed (original, leaf)',
  source: 'source_profile (source, version, leaf)',
  suspension: 'suspension_statement (leaf, statement)',
  checkpoint: 'peer_checkpoint (leaf, note, second_note, found_at)',
} as const;
type Table = keyof typeof TABLES;
const TABLE_NAMES = Object.keys(TABLES) as Table[];

/** Numbers of the layout for each table that has rows: which, rows, bytes, places that are leaves, places that are groups. */
const LAYOUT = 5;
const DIGEST_BYTES = 32;
/** Bytes of a place's offset, and of a claim. */
const OFFSET_BYTES = 4;
const CLAIM_BYTES = 8;

/** Rows of one table. Items write places through it. */
class TableRows {
  readonly rows: CopyRows;
  /** Leaf of the item's first document; 0 while places are relative. */
  first = 0;
  /** Offsets of the places that are leaves, and of those that are groups; undefined where nobody moves them. */
  readonly leaves: number[] | undefined;
  readonly groups: number[] | undefined;

  constructor(rows: CopyRows, relative: boolean) {
    this.rows = rows;
    this.leaves = relative ? [] : undefined;
    this.groups = relative ? [] : undefined;
  }

  /** A leaf of the item, by the position of its document. */
  leaf(document: number): CopyRows {
    this.leaves?.push(this.rows.bytesOfRows + INT8_LENGTH_BYTES);
    return this.rows.int8(this.first + document);
  }

  /** A group of the item. */
  group(manifest: number, ordinal: number): CopyRows {
    this.groups?.push(this.rows.bytesOfRows + INT8_LENGTH_BYTES);
    return this.rows.int8(groupNumber((this.first + manifest) as LeafIndex, ordinal));
  }
}

function byName(tables: readonly TableRows[]): Record<Table, TableRows> {
  return Object.fromEntries(TABLE_NAMES.map((name, t) => [name, tables[t]])) as Record<Table, TableRows>;
}

/** A packer of items for another thread: each gets an ArrayBuffer of its own. Keeps its scratch memory between them. */
export function itemPacker(): (item: CommitItem) => PackedItem {
  const all = TABLE_NAMES.map(() => new TableRows(new CopyRows(), true));
  const scratch = byName(all);
  return (item) => {
    for (const { rows, leaves = [], groups = [] } of all) {
      rows.clear();
      leaves.length = 0;
      groups.length = 0;
    }
    encodeRows(item, scratch);
    return assemble(item, all);
  };
}

const NONE: readonly never[] = [];

/** Adds the rows of an item. */
function encodeRows(item: CommitItem, to: Record<Table, TableRows>): void {
  item.documents.forEach(({ digest, body }, i) => {
    to.document.rows.row(3);
    to.document.leaf(i).bytes(digest).bytes(body);
  });
  item.payloads.forEach(({ lockbox, digest, size, body }, ordinal) => {
    to.payload.rows.row(5);
    placeOf(to.payload, to.payload.group(item.manifest, ordinal), lockbox).bytes(digest).int8(size);
    if (body === undefined) to.payload.rows.null();
    else to.payload.rows.bytes(body);
  });
  for (const box of item.lockboxes) {
    to.lockbox.rows.row(4);
    to.lockbox.leaf(box.document).uuid(box.slot).bytes(box.wrap).int8(box.nextTag);
  }
  for (const row of item.patients) {
    to.patient.rows.row(3).uuid(row.patient);
    to.patient.leaf(row.document).bytes(row.wrap);
  }
  for (const { hash, resource } of item.aliases) {
    const digest = Buffer.from(hash, 'base64url');
    to.alias.rows.row(2).bytes(digest).uuid(resource);
  }
  for (const record of item.records) {
    to.record.rows.row(6).uuid(record.resource).int4(record.version);
    to.record.group(item.manifest, record.payload);
    to.record.rows.int2(record.line).int4(record.source).int8(record.sourceTime);
  }
  for (const token of item.tokens) {
    to.token.rows.row(4).int8(token.token).int8(token.sortTime);
    to.token.group(item.manifest, token.payload).int8Halves(token.high, token.low);
  }
  for (const { resource, source, sourceTime } of item.restated ?? NONE) {
    to.restated.rows.row(4).uuid(resource).int4(source).int8(sourceTime);
    to.restated.leaf(item.manifest);
  }
  if (item.message !== undefined) {
    const { control, digest, thread } = item.message;
    to.message.rows.row(4).uuid(control).uuid(digest);
    const rows = to.message.leaf(item.manifest);
    if (thread === undefined) rows.null();
    else rows.uuid(thread);
  }
  for (const link of item.links ?? NONE) {
    for (const side of [link, reversed(link)]) encodeLink(to.link, side, item.manifest);
  }
  for (const { resource, version } of item.withdrawn ?? NONE) {
    to.withdrawn.rows.row(3).uuid(resource).int4(version);
    to.withdrawn.leaf(item.manifest);
  }
  for (const { anchor, from, to: target, id, control } of item.moves ?? NONE) {
    to.move.rows.row(6).uuid(anchor).uuid(from).uuid(target).uuid(id).uuid(control);
    to.move.leaf(item.manifest);
  }
  if (item.quarantine !== undefined) {
    const { reason, source, at } = item.quarantine;
    to.quarantine.rows.row(4);
    to.quarantine.leaf(item.manifest).text(reason).int4(source).int8(at);
  }
  if (item.reprocessOf !== undefined) {
    to.reprocessed.rows.row(2).int8(item.reprocessOf);
    to.reprocessed.leaf(item.manifest);
  }
  if (item.sourceVersion !== undefined) {
    const { source, version } = item.sourceVersion;
    to.source.rows.row(3).uuid(source).int4(version);
    to.source.leaf(item.manifest);
  }
  if (item.notice !== undefined) encodeNotice(item.notice, item.manifest, to);
}

function encodeNotice(notice: Notice, manifest: number, to: Record<Table, TableRows>): void {
  if (notice.kind === 'suspension') {
    to.suspension.rows.row(2);
    to.suspension.leaf(manifest).text(notice.statement);
    return;
  }
  const { note, second, foundAt } = notice;
  to.checkpoint.rows.row(4);
  const rows = to.checkpoint.leaf(manifest).text(note);
  if (second === undefined) rows.null();
  else rows.text(second);
  if (foundAt === undefined) rows.null();
  else rows.int8(foundAt);
}

function encodeLink(table: TableRows, link: PatientLink, manifest: number): void {
  const rows = table.rows.row(7).uuid(link.patient).uuid(link.other).int4(link.seq);
  rows.int2(LINK_KINDS.indexOf(link.kind)).int2(wasActiveNumber(link.wasActive)).int8(link.sourceTime);
  table.leaf(manifest);
}

function placeOf(table: TableRows, rows: CopyRows, lockbox: LeafIndex | NewDocument | undefined): CopyRows {
  if (lockbox === undefined) return rows.null();
  return typeof lockbox === 'number' ? rows.int8(lockbox) : table.leaf(lockbox.document);
}

/**
 * What an item is the first to write: 52 bits of each unique key, which is a keyed digest, told apart by a small number. Two
 * items of one group with a claim in common cannot both stand.
 */
export function claimsOf(item: CommitItem): number[] {
  const claims: number[] = [];
  for (const { slot } of item.lockboxes) claims.push(claimOf(slot));
  for (const { patient } of item.patients) claims.push(claimOf(patient));
  for (const { hash } of item.aliases)
    claims.push(claimOf(Buffer.from(hash.slice(0, 12), 'base64url').toString('hex')));
  for (const { resource, version } of item.records) claims.push(claimOf(resource, version));
  // As the next version would: a statement that makes one is prepared again, with this one in view.
  for (const { resource, version } of item.restated ?? NONE) claims.push(claimOf(resource, version + 1));
  if (item.message !== undefined) {
    claims.push(claimOf(item.message.control, Number.parseInt(item.message.digest.slice(0, 8), 16)));
  }
  for (const { patient, other, seq } of item.links ?? NONE) claims.push(claimOf(patient, seq), claimOf(other, seq));
  if (item.reprocessOf !== undefined) claims.push(item.reprocessOf);
  if (item.sourceVersion !== undefined) claims.push(claimOf(item.sourceVersion.source, item.sourceVersion.version));
  return claims;
}

/** `key`: hexadecimal, with or without the dashes of a UUID. */
function claimOf(key: string, number = 0): number {
  const high = (Number.parseInt(key.slice(0, 8), 16) ^ Math.imul(number, 0x9e3779b1)) >>> 0;
  return high * 0x10_0000 + Number.parseInt(key.slice(-5), 16);
}

/** One ArrayBuffer: rows of all tables, offsets of their places, digests, claims. */
function assemble(item: CommitItem, tables: readonly TableRows[]): PackedItem {
  const claims = claimsOf(item);
  let rowBytes = 0;
  let places = 0;
  for (const { rows, leaves = [], groups = [] } of tables) {
    rowBytes += rows.bytesOfRows;
    places += leaves.length + groups.length;
  }
  const digestsAt = rowBytes + places * OFFSET_BYTES;
  const digestsEnd = digestsAt + item.documents.length * DIGEST_BYTES;
  const claimsAt = Math.ceil(digestsEnd / CLAIM_BYTES) * CLAIM_BYTES;
  const bytes = Buffer.from(new ArrayBuffer(claimsAt + claims.length * CLAIM_BYTES));
  const layout: number[] = [];
  let at = 0;
  let offsetAt = rowBytes;
  tables.forEach(({ rows, leaves = [], groups = [] }, t) => {
    if (rows.rows === 0) return;
    rows.copyTo(bytes, at);
    at += rows.bytesOfRows;
    layout.push(t, rows.rows, rows.bytesOfRows, leaves.length, groups.length);
    for (const offset of leaves) offsetAt = bytes.writeUInt32LE(offset, offsetAt);
    for (const offset of groups) offsetAt = bytes.writeUInt32LE(offset, offsetAt);
  });
  item.documents.forEach(({ digest }, i) => bytes.set(digest, digestsAt + i * DIGEST_BYTES));
  const packedClaims = new Float64Array(bytes.buffer, claimsAt, claims.length);
  packedClaims.set(claims);
  return {
    manifest: item.manifest,
    digests: bytes.subarray(digestsAt, digestsEnd),
    claims: packedClaims,
    rows: bytes,
    layout,
    consentPatients: item.consentPatients,
    rewraps: item.rewraps ?? NONE,
    fingerprint: item.fingerprint,
    ...(hasRead(item) && { reads: item.reads }),
  };
}

/** True when the commit has to look whether what the item only read still stands. */
function hasRead(item: CommitItem): item is CommitItem & Required<Pick<CommitItem, 'reads'>> {
  return item.reads !== undefined && (item.reads.length > 0 || item.records.some(({ version }) => version > 1));
}

/** Documents of an item. */
export function documentsOf(item: CommitItem | PackedItem): number {
  return 'layout' in item ? item.digests.length / DIGEST_BYTES : item.documents.length;
}

/** The rows of a group of items whose first document becomes the leaf `firstLeaf`. */
export function placeItems(items: readonly (CommitItem | PackedItem)[], firstLeaf: number): CopyPart[] {
  const tables = TABLE_NAMES.map((_, t) => new TableRows(new CopyRows(packedBytes(items, t)), false));
  const named = byName(tables);
  let first = firstLeaf;
  for (const item of items) {
    if ('layout' in item) placePacked(item, first, tables);
    else {
      for (const table of tables) table.first = first;
      encodeRows(item, named);
    }
    first += documentsOf(item);
  }
  return TABLE_NAMES.map((name, t) => ({ target: TABLES[name], rows: tables[t].rows }));
}

/** Bytes of the rows of one table that are encoded already. */
function packedBytes(items: readonly (CommitItem | PackedItem)[], table: number): number {
  let bytes = 0;
  for (const item of items) {
    if (!('layout' in item)) continue;
    for (let l = 0; l < item.layout.length; l += LAYOUT) if (item.layout[l] === table) bytes += item.layout[l + 2];
  }
  return bytes;
}

function placePacked(item: PackedItem, first: number, tables: readonly TableRows[]): void {
  const { layout } = item;
  const view = viewOf(item);
  const firstGroup = groupNumber(first as LeafIndex, 0);
  let at = 0;
  let offsetAt = 0;
  for (let l = 0; l < layout.length; l += LAYOUT) offsetAt += layout[l + 2];
  for (let l = 0; l < layout.length; l += LAYOUT) {
    const { rows } = tables[layout[l]];
    const end = at + layout[l + 2];
    const base = rows.encoded(view, at, end, layout[l + 1]);
    at = end;
    const leaves = layout[l + 3];
    const places = leaves + layout[l + 4];
    for (let i = 0; i < places; i += 1, offsetAt += OFFSET_BYTES) {
      rows.add(base + view.readUInt32LE(offsetAt), i < leaves ? first : firstGroup);
    }
  }
}

function viewOf({ rows }: PackedItem): Buffer {
  return Buffer.isBuffer(rows) ? rows : Buffer.from(rows.buffer, rows.byteOffset, rows.length);
}

/** The columns of an item's rows of one table, each as its bytes; null as undefined. */
export function columnsOf(item: PackedItem, table: Table): Buffer[][] {
  const { layout } = item;
  const view = viewOf(item);
  let at = 0;
  let l = 0;
  while (l < layout.length && TABLE_NAMES[layout[l]] !== table) {
    at += layout[l + 2];
    l += LAYOUT;
  }
  if (l === layout.length) return [];
  return Array.from({ length: layout[l + 1] }, () => {
    const columns = view.readInt16BE(at);
    at += 2;
    return Array.from({ length: columns }, () => {
      const length = Math.max(0, view.readInt32BE(at));
      const column = view.subarray(at + 4, at + 4 + length);
      at += 4 + length;
      return column;
    });
  });
}
