/**
 * The group commit's transaction on Postgres (port: write/ports `CommitStore`). READ COMMITTED; the head row is locked
 * first, so that commits of any number of processes form one line. Three round trips a group, whatever its size: lock and
 * read the head; the rows by binary COPY, while the tree is computed here; tiles, block, the head moved, COMMIT.
 *
 * That what each item was prepared against still stands is checked by unique keys: whoever loses a race would write a key
 * that is there already. Then nothing is written, and `find-losers` says whose it was. What an item only read is looked at by
 * `find-overtaken`, in the same transaction.
 */
import type pg from 'pg';
import { GatewayError } from '../../core/errors.ts';
import type {
  CommitItem,
  CommitOutcome,
  CommitStore,
  GroupAppend,
  LogHead,
  LogReader,
  PackedItem,
} from '../../write/ports.ts';
import { copyBatch, type CopyPart } from './copy-batch.ts';
import { CopyRows } from './copy-binary.ts';
import { storeError } from './errors.ts';
import { findLosers } from './find-losers.ts';
import { findOvertaken } from './find-overtaken.ts';
import { claimsOf, documentsOf, placeItems } from './packed-item.ts';
import type { Client, Pool } from './pool.ts';
import { statement } from './statement.ts';

const LOCK_HEAD = statement('lock-head');
const READ_HEAD = statement('read-head');
const FIND_BLOCK = statement('find-block');

/** What keeps a process with outdated keys from writing. */
export interface KeyFence {
  /** Of the process's key set. */
  readonly fingerprint: string;
  /** Called when the head row names another one: the keys were rotated, and this process must start again. */
  readonly onFenced: () => void;
}

/** Without `fence` (rebuild, restore) commits are made under whatever keys the head row names. */
export function commitStore(pool: Pool, fence?: KeyFence): CommitStore {
  return {
    claims: claimsOf,
    async head() {
      const { rows } = await pool.query<LogHead>(READ_HEAD).catch(storeError);
      if (rows.length === 0) throw new GatewayError('integrity', 'the log has no head row');
      return rows[0];
    },
    async commit(items, append) {
      const client = await pool.connect().catch(storeError);
      let broken: Error | undefined;
      let appended: GroupAppend | undefined;
      try {
        const head = await lockHead(client, fence);
        const copying = copyBatch(client, placeItems(items, head.size), []);
        const [copied, grown] = await Promise.allSettled([
          copying.then(() => findOvertaken(client, items)),
          (async () => append(head, logReader(client, copying)))(),
        ]);
        // A refusal of ours first; else the rows: what failed there made the reads of the log fail too.
        if (grown.status === 'rejected' && grown.reason instanceof GatewayError) throw grown.reason;
        if (copied.status === 'rejected') throw copied.reason;
        if (grown.status === 'rejected') throw grown.reason;
        if (copied.value.size > 0) {
          await client.query('rollback');
          return { kind: 'conflict', losers: copied.value };
        }
        appended = grown.value.sign();
        await copyBatch(client, ...headRows(appended, endingOf(items, head.size)));
        return { kind: 'committed', firstLeaf: appended.firstLeaf };
      } catch (error) {
        broken = error instanceof Error ? error : new Error('unknown');
        const alive = await client.query('rollback').then(
          () => true,
          () => false,
        );
        if (alive) {
          broken = undefined;
          if (!isUniqueViolation(error)) return storeError(error);
          const losers = await findLosers(client, items).catch(storeError);
          if (losers.size === 0) return storeError(error);
          return { kind: 'conflict', losers };
        }
        // The connection was lost, perhaps at COMMIT: the block tells whether the group stands.
        return (appended && (await lookForBlock(pool, appended))) ?? storeError(error);
      } finally {
        client.release(broken);
      }
    },
  };
}

function isUniqueViolation(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === '23505';
}

async function lockHead(client: Client, fence: KeyFence | undefined): Promise<LogHead> {
  // One simple query of two statements: pg gives one result for each.
  const results: unknown = await client.query(`begin; ${LOCK_HEAD}`);
  const [, locked] = results as readonly pg.QueryResult<LogHead & { readonly fingerprint: string }>[];
  if (locked.rows.length === 0) throw new GatewayError('integrity', 'the log has no head row');
  if (fence !== undefined && locked.rows[0].fingerprint !== fence.fingerprint) {
    fence.onFenced();
    throw new GatewayError('unavailable', 'the keys of this gateway were rotated: this process has to start again');
  }
  return locked.rows[0];
}

/** Looks for the block for up to 30 s while Postgres comes back; undefined when it is certainly not there. */
async function lookForBlock(pool: Pool, appended: GroupAppend): Promise<CommitOutcome | undefined> {
  for (let attempt = 0; attempt < 60; attempt += 1) {
    try {
      // The lock waits for a transaction of ours that the server has not yet noticed to be dead.
      const client = await pool.connect();
      try {
        await client.query('begin');
        await client.query(LOCK_HEAD);
        const { rows } = await client.query<{ checkpoint: string }>(FIND_BLOCK, [appended.head.block]);
        await client.query('commit');
        return rows[0]?.checkpoint === appended.head.checkpoint
          ? { kind: 'committed', firstLeaf: appended.firstLeaf }
          : undefined;
      } finally {
        client.release();
      }
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
  throw new GatewayError(
    'unavailable',
    'the database went away while a commit was under way; its outcome is not known yet',
  );
}

/** Reads, seldom needed, that wait until the rows are over: a connection of pg takes one statement at a time. */
function logReader(client: Client, copying: Promise<void>): LogReader {
  return {
    async digests(from, to) {
      await copying;
      const { rows } = await client.query<{ digest: Buffer }>(
        'select digest from document where leaf >= $1 and leaf < $2 order by leaf',
        [from, to],
      );
      return rows.map((row) => row.digest);
    },
    async tile(level, index) {
      await copying;
      const { rows } = await client.query<{ hashes: Buffer }>('select hashes from tile where level = $1 and idx = $2', [
        level,
        index,
      ]);
      return rows[0]?.hashes;
    },
  };
}

/** The statements about the rows of a group that come before the head moves. */
function endingOf(items: readonly (CommitItem | PackedItem)[], firstLeaf: number): string[] {
  const consented: string[] = [];
  const care: string[] = [];
  let first = firstLeaf;
  for (const item of items) {
    for (const patient of item.consentPatients) {
      const leaf = first + item.manifest;
      consented.push(`update patient set consent_leaf = ${leaf} where patient = '${hex(patient)}'`);
    }
    care.push(...keyCare(item));
    first += documentsOf(item);
  }
  return [...consented, ...care];
}

/** What a rotation of keys changes besides the ledger. */
function keyCare({ rewraps = [], fingerprint }: CommitItem | PackedItem): string[] {
  const statements = rewraps.map((row) => {
    const wrap = `'\\x${Buffer.from(row.wrap).toString('hex')}'`;
    return 'lockbox' in row
      ? `update lockbox set wrap = ${wrap} where leaf = ${Number(row.lockbox)}`
      : `update patient set wrap = ${wrap} where patient = '${hex(row.patient)}'`;
  });
  if (fingerprint === undefined) return statements;
  if (!/^[\w-]{43}$/.test(fingerprint)) throw new TypeError('not a fingerprint');
  return [...statements, `update log_head set fingerprint = '${fingerprint}'`];
}

/** Tiles and block of a group, and the statements that end its transaction. */
function headRows(appended: GroupAppend, before: readonly string[]): [CopyPart[], string[]] {
  const { head } = appended;
  const tiles = new CopyRows();
  for (const tile of appended.tiles) tiles.row(3).int2(tile.level).int8(tile.index).bytes(tile.hashes);
  const blocks = new CopyRows().row(6).int8(head.block).int8(appended.firstLeaf).int8(head.size);
  blocks.bytes(head.root).text(head.checkpoint).bytes(appended.prev);
  const parts = [
    { target: 'tile (level, idx, hashes)', rows: tiles },
    { target: 'block (number, first_leaf, size, root, checkpoint, prev)', rows: blocks },
  ];
  const moveHead = `update log_head set size = b.size, root = b.root, compact = '\\x${head.compact.toString('hex')}', block = b.number,
    checkpoint = b.checkpoint from block b where b.number = ${Number(head.block)}`;
  return [parts, [...before, moveHead, 'commit']];
}

/** The hexadecimal digits of a UUID, and nothing else: these literals stand in SQL text. */
function hex(uuid: string): string {
  return uuid.replaceAll(/[^0-9a-f]/g, '');
}
