/** Mirrored logs on Postgres (ports: replication/mirror-ports, services/read-ledger, services/verify-source). */
import { hash } from 'node:crypto';
import { NO_PREVIOUS_BLOCK, type Block } from '../../ledger/block.ts';
import { EMPTY_ROOT, HASH_BYTES } from '../../ledger/merkle.ts';
import { TILE_WIDTH } from '../../ledger/tile.ts';
import type {
  LogRows,
  MirrorBatch,
  MirrorData,
  MirrorEntries,
  MirrorState,
  MissingBlob,
  RootedTile,
} from '../../replication/mirror-ports.ts';
import type { LedgerReader } from '../../services/read-ledger.ts';
import type { LedgerSource } from '../../services/verify-source.ts';
import { leafAndBytes, payloadRow } from './copied-rows.ts';
import { copyBatch } from './copy-batch.ts';
import { CopyRows } from './copy-binary.ts';
import { copyRowsFrom } from './copy-out.ts';
import { storeError } from './errors.ts';
import type { Client, Pool } from './pool.ts';
import { statement } from './statement.ts';

const LOAD = statement('mirror-load');
const BEGIN = statement('mirror-begin');
const BUNDLE = statement('mirror-bundle');
const BUNDLES = statement('mirror-bundles');
const TILE = statement('mirror-tile');
const TILE_ROOTS = statement('mirror-tile-roots');
const SET_CHECKPOINT = statement('mirror-set-checkpoint');
const MISSING = statement('mirror-missing-blobs');
const ARRIVED = statement('mirror-blob-arrived');
const BLOBS_HELD = statement('mirror-blobs-held');
const DOCUMENTS = statement('mirror-documents');
const PAYLOADS = statement('mirror-payloads');
const BLOCKS = statement('mirror-blocks');
const LAST_BLOCK = statement('mirror-last-block');

export function mirrorStore(pool: Pool): MirrorEntries & MirrorData {
  return {
    async load(origin) {
      const find = async (): Promise<MirrorState | undefined> =>
        (await pool.query<MirrorState>(LOAD, [origin]).catch(storeError)).rows[0];
      const found = await find();
      if (found !== undefined) return found;
      await pool.query(BEGIN, [origin, EMPTY_ROOT, NO_PREVIOUS_BLOCK]).catch(storeError);
      return (await find()) ?? storeError(new Error('a row that was just made is gone'));
    },
    async bundle(log, index) {
      const { rows } = await pool.query<{ digests: Buffer }>(BUNDLE, [log, index]).catch(storeError);
      return rows[0]?.digests ?? Buffer.alloc(0);
    },
    async tileRoots(log, level, from, to) {
      const { rows } = await pool.query<{ root: Buffer }>(TILE_ROOTS, [log, level, from, to]).catch(storeError);
      return rows.map(({ root }) => root);
    },
    addEntries: (log, bundles, tiles, next) => addEntries(pool, log, bundles, tiles, next),
    async setCheckpoint(log, { size, root, note }) {
      const { rowCount } = await pool.query(SET_CHECKPOINT, [log, size, root, note]).catch(storeError);
      return (rowCount ?? 0) > 0;
    },
    append: (log, batch) => append(pool, log, batch),
    async missingBlobs(log, limit) {
      return (await pool.query<MissingBlob>(MISSING, [log, limit]).catch(storeError)).rows;
    },
    async blobArrived(digest) {
      await pool.query(ARRIVED, [digest]).catch(storeError);
    },
    async blobsHeld(log) {
      return (await pool.query<{ leaf: number }>(BLOBS_HELD, [log]).catch(storeError)).rows[0].leaf;
    },
  };
}

/** One round trip. A wider bundle replaces a narrower one: both were proven to be parts of the same tree. */
async function addEntries(
  pool: Pool,
  log: number,
  bundles: readonly { readonly index: number; readonly digests: Buffer }[],
  tiles: readonly RootedTile[],
  next: number,
): Promise<number> {
  const values: unknown[] = [log, next];
  const place = (value: unknown): string => `$${values.push(value)}`;
  const bundleRows = bundles.map(
    ({ index, digests }) => `($1::int, ${place(index)}::bigint, ${place(digests)}::bytea)`,
  );
  const tileRows = tiles.map(
    ({ level, index, hashes, root }) =>
      `($1::int, ${place(level)}::smallint, ${place(index)}::bigint, ${place(hashes)}::bytea, ${place(root)}::bytea)`,
  );
  const insertTiles =
    tileRows.length === 0
      ? ''
      : `tiles as (insert into mirror_tile (log, level, idx, hashes, root) values ${tileRows.join(', ')}
         on conflict do nothing),`;
  const text = `
    with ${insertTiles} bundles as (
      insert into mirror_bundle (log, idx, digests) values ${bundleRows.join(', ')}
      on conflict (log, idx) do update set digests = excluded.digests
        where length(mirror_bundle.digests) < length(excluded.digests))
    update mirror_log set next_entry = greatest(next_entry, $2::bigint) where log = $1 returning next_entry as next`;
  const { rows } = await pool.query<{ next: number }>(text, values).catch(storeError);
  return rows[0].next;
}

/** The cursor first, under its row lock: of two uploads one finds it moved and stores nothing. */
async function append(pool: Pool, log: number, batch: MirrorBatch): Promise<boolean> {
  const client = await pool.connect().catch(storeError);
  let broken: Error | undefined;
  try {
    await client.query('begin');
    const moved = await moveHeld(client, log, batch);
    if (moved) await copyBatch(client, ...batchRows(log, batch));
    else await client.query('rollback');
    return moved;
  } catch (error) {
    broken = error instanceof Error ? error : new Error('unknown');
    await client.query('rollback').then(
      () => (broken = undefined),
      () => {},
    );
    return storeError(error);
  } finally {
    client.release(broken);
  }
}

async function moveHeld(client: Client, log: number, { from, to, bytes }: MirrorBatch): Promise<boolean> {
  const { rowCount } = await client.query(
    `update mirror_log set held = $3, compact = $4, next_block = $5, prev = $6, bytes = bytes + $7
      where log = $1 and held = $2 and next_block <= $5`,
    [log, from.held, to.held, to.compact, to.nextBlock, to.prev, bytes],
  );
  return (rowCount ?? 0) > 0;
}

function batchRows(
  log: number,
  batch: MirrorBatch,
): Parameters<typeof copyBatch> extends [unknown, ...infer R] ? R : never {
  const [documents, payloads, missing, blocks] = [new CopyRows(), new CopyRows(), new CopyRows(), new CopyRows()];
  for (const { leaf, bytes } of batch.documents) documents.row(3).int4(log).int8(leaf).bytes(bytes);
  for (const { group, digest, size, packed } of batch.payloads) {
    payloads.row(5).int4(log).int8(group).bytes(digest).int8(size);
    if (packed === undefined) payloads.null();
    else payloads.bytes(packed);
  }
  for (const { group, digest, size } of batch.missing) missing.row(4).int4(log).int8(group).bytes(digest).int8(size);
  for (const block of batch.blocks) {
    blocks.row(7).int4(log).int8(block.number).int8(block.firstLeaf).int8(block.size).bytes(block.root);
    blocks.text(block.checkpoint).bytes(block.prev);
  }
  const parts = [
    { target: 'mirror_document (log, leaf, body)', rows: documents },
    { target: 'mirror_payload (log, grp, digest, size, body)', rows: payloads },
    { target: 'mirror_missing_blob (log, grp, digest, size)', rows: missing },
    { target: 'mirror_block (log, number, first_leaf, size, root, checkpoint, prev)', rows: blocks },
  ];
  return [parts, ['commit']];
}

/** Documents, payloads and blocks of a mirrored log, for whoever asks for them. */
export function mirrorRows(pool: Pool, log: number): LogRows {
  return {
    documents: (from, limit) => copyRowsFrom(pool, DOCUMENTS, [log, from, limit], leafAndBytes),
    payloads: (from, limit) => copyRowsFrom(pool, PAYLOADS, [log, from, limit], payloadRow),
    async blocks(from, limit) {
      return (await pool.query<Block>(BLOCKS, [log, from, limit]).catch(storeError)).rows;
    },
  };
}

/** Document digests of the stored entries [from, to) of a mirrored log; fewer where they end. */
async function mirrorDigests(pool: Pool, log: number, from: number, to: number): Promise<Buffer[]> {
  if (to <= from) return [];
  const first = Math.floor(from / TILE_WIDTH);
  const { rows } = await pool
    .query<{ digests: Buffer }>(BUNDLES, [log, first, Math.floor((to - 1) / TILE_WIDTH)])
    .catch(storeError);
  const all = Buffer.concat(rows.map(({ digests }) => digests));
  const skip = (from - first * TILE_WIDTH) * HASH_BYTES;
  const wanted = all.subarray(skip, skip + (to - from) * HASH_BYTES);
  return Array.from({ length: Math.floor(wanted.length / HASH_BYTES) }, (_, i) =>
    wanted.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}

/** A full tile of a mirrored log. */
async function mirrorTile(pool: Pool, log: number, level: number, index: number): Promise<Buffer | undefined> {
  return (await pool.query<{ hashes: Buffer }>(TILE, [log, level, index]).catch(storeError)).rows[0]?.hashes;
}

/** A mirrored log as its tiles are read: up to the entries that are here. */
export function mirrorReader(pool: Pool, origin: string): LedgerReader {
  const store = mirrorStore(pool);
  const logOf = async (): Promise<number> => (await store.load(origin)).log;
  return {
    async latestBlock() {
      const { size, root, checkpoint } = await store.load(origin);
      if (checkpoint === '') return undefined;
      return { number: 0, firstLeaf: 0, size, root, checkpoint, prev: NO_PREVIOUS_BLOCK };
    },
    blocks: async (from, limit) => mirrorRows(pool, await logOf()).blocks(from, limit),
    leafDigests: async (from, to) => mirrorDigests(pool, await logOf(), from, to),
    tile: async (level, index) => mirrorTile(pool, await logOf(), level, index),
    async document(leaf) {
      const [row] = await mirrorRows(pool, await logOf()).documents(leaf, 1);
      return row?.leaf === leaf ? row.bytes : undefined;
    },
  };
}

/** A mirrored log as a stored ledger, up to its last whole block: for `restore` and `import`. Tiles are left out. */
export function mirrorSource(pool: Pool, log: number, origin: string): LedgerSource {
  const rows = mirrorRows(pool, log);
  return {
    async head() {
      const { rows: last } = await pool.query<Block>(LAST_BLOCK, [log]).catch(storeError);
      const [block] = last;
      if (block === undefined) return undefined;
      const { size, root, number, checkpoint } = block;
      return { origin, size, root, compact: Buffer.alloc(0), block: number, checkpoint };
    },
    blocks: (from, limit) => rows.blocks(from, limit),
    async documents(from, limit) {
      const found = await rows.documents(from, limit);
      return found.map(({ leaf, bytes }) => ({ leaf, bytes, digest: hash('sha256', bytes, 'buffer') }));
    },
    payloads: (from, limit) => copyRowsFrom(pool, PAYLOADS, [log, from, limit], payloadRow),
    tiles: async () => [],
  };
}

/** Forgets a mirrored log: after a restore from it. Blobs stay, since the restored ledger names them. */
export async function dropMirroredLog(pool: Pool, origin: string): Promise<void> {
  const client = await pool.connect().catch(storeError);
  try {
    const { rows } = await client.query<{ log: number }>('select log from mirror_log where origin = $1', [origin]);
    const log = rows[0]?.log;
    if (log === undefined) return;
    await client.query('begin');
    // The end of a restore, which did not wait for the disk: this commit does, for all before it. Many rows, however long it takes.
    await client.query('set local synchronous_commit = on; set local statement_timeout = 0');
    for (const table of ['bundle', 'tile', 'document', 'payload', 'missing_blob', 'block', 'log']) {
      await client.query(`delete from mirror_${table} where log = $1`, [log]);
    }
    await client.query(`delete from accepted_checkpoint where role = 'mirror' and origin = $1`, [origin]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {});
    return storeError(error);
  } finally {
    client.release();
  }
}
