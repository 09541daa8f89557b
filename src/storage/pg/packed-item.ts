/**
 * Commit items as rows of binary COPY, encoded where an item is prepared (any thread) with places relative to its first
 * leaf; the commit copies them together and adds the places. So the one line that all commits stand in holds no encoding.
 */
import { u64be } from '../../core/bytes.ts';
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

/** Rows of one table of one item, and where in them places stand that are relative. */
class RelativeRows {
  readonly rows = new CopyRows();
  readonly leaves: number[] = [];
  readonly groups: number[] = [];

  clear(): void {
    this.rows.clear();
    this.leaves.length = 0;
    this.groups.length = 0;
  }

  /** A leaf of this very item, by the position of its document. */
  leaf(document: number): CopyRows {
    this.leaves.push(this.rows.bytesOfRows + INT8_LENGTH_BYTES);
    return this.rows.int8(document);
  }

  /** A group of this very item. */
  group(manifest: number, ordinal: number): CopyRows {
    this.groups.push(this.rows.bytesOfRows + INT8_LENGTH_BYTES);
    return this.rows.int8(groupNumber(manifest as LeafIndex, ordinal));
  }
}

/**
 * A packer of items; keeps its scratch memory between them. `movable`: each item gets an ArrayBuffer of its own, which can be
 * transferred to another thread; else small ones share memory, which is cheaper.
 */
export function itemPacker(movable: boolean): (item: CommitItem) => PackedItem {
  const all = TABLE_NAMES.map(() => new RelativeRows());
  const scratch = Object.fromEntries(TABLE_NAMES.map((name, t) => [name, all[t]])) as Record<Table, RelativeRows>;
  return (item) => {
    for (const table of all) if (table.rows.rows > 0) table.clear();
    const claims = encodeRows(item, scratch);
    return assemble(item, all, claims, movable);
  };
}

const NONE: readonly never[] = [];

/** Fills the rows of an item; returns its claims. */
function encodeRows(item: CommitItem, to: Record<Table, RelativeRows>): number[] {
  const claims: number[] = [];
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
    claims.push(claimOf(uuidBytes(box.slot)));
  }
  for (const row of item.patients) {
    to.patient.rows.row(3).uuid(row.patient);
    to.patient.leaf(row.document).bytes(row.wrap);
    claims.push(claimOf(uuidBytes(row.patient)));
  }
  for (const { hash, resource } of item.aliases) {
    const digest = Buffer.from(hash, 'base64url');
    to.alias.rows.row(2).bytes(digest).uuid(resource);
    claims.push(claimOf(digest));
  }
  for (const record of item.records) {
    to.record.rows.row(6).uuid(record.resource).int4(record.version);
    to.record.group(item.manifest, record.payload);
    to.record.rows.int2(record.line).int4(record.source).int8(record.sourceTime);
    claims.push(claimOf(uuidBytes(record.resource), record.version));
  }
  for (const token of item.tokens) {
    to.token.rows.row(4).int8(token.token).int8(token.sortTime);
    to.token.group(item.manifest, token.payload).int8Halves(token.high, token.low);
  }
  for (const { resource, version, source, sourceTime } of item.restated ?? NONE) {
    to.restated.rows.row(4).uuid(resource).int4(source).int8(sourceTime);
    to.restated.leaf(item.manifest);
    // As the next version would: a statement that makes one is prepared again, with this one in view.
    claims.push(claimOf(uuidBytes(resource), version + 1));
  }
  if (item.message !== undefined) {
    const { control, digest, thread } = item.message;
    to.message.rows.row(4).uuid(control).uuid(digest);
    const rows = to.message.leaf(item.manifest);
    if (thread === undefined) rows.null();
    else rows.uuid(thread);
    claims.push(claimOf(uuidBytes(control), uuidBytes(digest).readUInt32BE()));
  }
  for (const link of item.links ?? NONE) {
    for (const side of [link, reversed(link)]) encodeLink(to.link, side, item.manifest);
    claims.push(claimOf(uuidBytes(link.patient), link.seq), claimOf(uuidBytes(link.other), link.seq));
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
    claims.push(claimOf(u64be(item.reprocessOf), item.reprocessOf));
  }
  if (item.sourceVersion !== undefined) {
    const { source, version } = item.sourceVersion;
    to.source.rows.row(3).uuid(source).int4(version);
    to.source.leaf(item.manifest);
    claims.push(claimOf(uuidBytes(source), version));
  }
  if (item.notice !== undefined) encodeNotice(item.notice, item.manifest, to);
  return claims;
}

function encodeNotice(notice: Notice, manifest: number, to: Record<Table, RelativeRows>): void {
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

function encodeLink(table: RelativeRows, link: PatientLink, manifest: number): void {
  const rows = table.rows.row(7).uuid(link.patient).uuid(link.other).int4(link.seq);
  rows.int2(LINK_KINDS.indexOf(link.kind)).int2(wasActiveNumber(link.wasActive)).int8(link.sourceTime);
  table.leaf(manifest);
}

function placeOf(table: RelativeRows, rows: CopyRows, lockbox: LeafIndex | NewDocument | undefined): CopyRows {
  if (lockbox === undefined) return rows.null();
  return typeof lockbox === 'number' ? rows.int8(lockbox) : table.leaf(lockbox.document);
}

function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

/** 52 bits of a key, which is a keyed digest, told apart by a small number. */
function claimOf(key: Buffer, number = 0): number {
  return ((key.readUInt32BE() ^ Math.imul(number, 0x9e3779b1)) >>> 0) * 0x10_0000 + (key.readUInt32BE(4) >>> 12);
}

/** One stretch of memory: rows of all tables, offsets of their places, digests, claims. */
function assemble(
  item: CommitItem,
  tables: readonly RelativeRows[],
  claims: readonly number[],
  movable: boolean,
): PackedItem {
  let rowBytes = 0;
  let places = 0;
  for (const { rows, leaves, groups } of tables) {
    if (rows.rows === 0) continue;
    rowBytes += rows.bytesOfRows;
    places += leaves.length + groups.length;
  }
  const digestsAt = rowBytes + places * OFFSET_BYTES;
  const digestsEnd = digestsAt + item.documents.length * DIGEST_BYTES;
  const claimsAt = Math.ceil(digestsEnd / CLAIM_BYTES) * CLAIM_BYTES;
  const bytes = movable
    ? Buffer.from(new ArrayBuffer(claimsAt + claims.length * CLAIM_BYTES))
    : Buffer.allocUnsafe(digestsEnd);
  const layout: number[] = [];
  let at = 0;
  let offsetAt = rowBytes;
  for (let t = 0; t < tables.length; t += 1) {
    const { rows, leaves, groups } = tables[t];
    if (rows.rows === 0) continue;
    rows.copyTo(bytes, at);
    at += rows.bytesOfRows;
    layout.push(t, rows.rows, rows.bytesOfRows, leaves.length, groups.length);
    for (const offset of leaves) offsetAt = bytes.writeUInt32LE(offset, offsetAt);
    for (const offset of groups) offsetAt = bytes.writeUInt32LE(offset, offsetAt);
  }
  item.documents.forEach(({ digest }, i) => bytes.set(digest, digestsAt + i * DIGEST_BYTES));
  return {
    manifest: item.manifest,
    digests: bytes.subarray(digestsAt, digestsEnd),
    claims: movable ? movedClaims(bytes, claimsAt, claims) : claims,
    rows: bytes,
    layout,
    consentPatients: item.consentPatients,
    rewraps: item.rewraps ?? NONE,
    fingerprint: item.fingerprint,
  };
}

/** Claims in the memory that moves with the item. */
function movedClaims(bytes: Buffer, at: number, claims: readonly number[]): Float64Array {
  const moved = new Float64Array(bytes.buffer, bytes.byteOffset + at, claims.length);
  moved.set(claims);
  return moved;
}

/** Documents of a packed item. */
export function documentsOf(item: PackedItem): number {
  return item.digests.length / DIGEST_BYTES;
}

/** The rows of a group of items whose first document becomes the leaf `firstLeaf`. */
export function placeItems(items: readonly PackedItem[], firstLeaf: number): CopyPart[] {
  const sizes = TABLE_NAMES.map(() => 0);
  for (const { layout } of items) for (let l = 0; l < layout.length; l += LAYOUT) sizes[layout[l]] += layout[l + 2];
  const parts = TABLE_NAMES.map((name, t) => ({ target: TABLES[name], rows: new CopyRows(sizes[t]) }));
  let first = firstLeaf;
  for (const item of items) {
    const { layout } = item;
    const view = viewOf(item);
    const firstGroup = groupNumber(first as LeafIndex, 0);
    let at = 0;
    let offsetAt = 0;
    for (let l = 0; l < layout.length; l += LAYOUT) offsetAt += layout[l + 2];
    for (let l = 0; l < layout.length; l += LAYOUT) {
      const { rows } = parts[layout[l]];
      const end = at + layout[l + 2];
      const base = rows.encoded(view, at, end, layout[l + 1]);
      at = end;
      const leaves = layout[l + 3];
      const places = leaves + layout[l + 4];
      for (let i = 0; i < places; i += 1, offsetAt += OFFSET_BYTES) {
        rows.add(base + view.readUInt32LE(offsetAt), i < leaves ? first : firstGroup);
      }
    }
    first += documentsOf(item);
  }
  return parts;
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
