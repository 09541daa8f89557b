/**
 * The group commit's transaction on Postgres (port: write/ports `CommitStore`). READ COMMITTED; the head row is locked
 * first, so that commits of any number of processes form one line. Rows go in by binary COPY, a few round trips a group
 * whatever its size.
 */
import { GatewayError } from '../../core/errors.ts';
import { groupNumber, type LeafIndex } from '../../core/ids.ts';
import type { CommitItem, CommitOutcome, CommitStore, GroupAppend, LogHead, LogReader } from '../../write/ports.ts';
import { CopyRows, copyInto } from './copy-binary.ts';
import { storeError } from './errors.ts';
import type { Client, Pool } from './pool.ts';

const LOCK_HEAD = 'select size, root, compact, block, checkpoint from log_head for update';
const READ_HEAD = 'select size, root, compact, block, checkpoint from log_head';
const MOVE_HEAD = 'update log_head set size = $1, root = $2, compact = $3, block = $4, checkpoint = $5';
const ADD_BLOCK =
  'insert into block (number, first_leaf, size, root, checkpoint, prev) values ($1, $2, $3, $4, $5, $6)';
const FIND_BLOCK = 'select checkpoint from block where number = $1';

export function commitStore(pool: Pool): CommitStore {
  return {
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
        await client.query('begin');
        const head = (await client.query<LogHead>(LOCK_HEAD)).rows[0];
        const losers = await findLosers(client, items);
        if (losers.size > 0) {
          await client.query('rollback');
          return { kind: 'conflict', losers };
        }
        appended = await append(head, logReader(client));
        await writeGroup(client, items, appended);
        await client.query('commit');
        return { kind: 'committed', firstLeaf: appended.firstLeaf };
      } catch (error) {
        broken = error instanceof Error ? error : new Error('unknown');
        await client.query('rollback').then(
          () => (broken = undefined),
          () => {},
        );
        if (broken !== undefined && appended !== undefined) {
          // The connection was lost, perhaps at COMMIT: the block tells whether the group stands.
          const outcome = await lookForBlock(pool, appended);
          if (outcome !== undefined) return outcome;
        }
        return storeError(error);
      } finally {
        client.release(broken);
      }
    },
  };
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

function logReader(client: Client): LogReader {
  return {
    async digests(from, to) {
      const { rows } = await client.query<{ digest: Buffer }>(
        'select digest from document where leaf >= $1 and leaf < $2 order by leaf',
        [from, to],
      );
      return rows.map((row) => row.digest);
    },
    async tile(level, index) {
      const { rows } = await client.query<{ hashes: Buffer }>('select hashes from tile where level = $1 and idx = $2', [
        level,
        index,
      ]);
      return rows[0]?.hashes;
    },
  };
}

/** Items that were prepared against something that no longer stands. */
async function findLosers(client: Client, items: readonly CommitItem[]): Promise<Set<number>> {
  const losers = new Set<number>();
  const owners = <T>(pick: (item: CommitItem) => readonly T[], key: (value: T) => string): Map<string, number> => {
    const map = new Map<string, number>();
    items.forEach((item, i) => pick(item).forEach((value) => map.set(key(value), i)));
    return map;
  };
  const lose = (map: ReadonlyMap<string, number>, taken: readonly string[]): void => {
    for (const key of taken) {
      const item = map.get(key);
      if (item !== undefined) losers.add(item);
    }
  };
  const ask = async (map: ReadonlyMap<string, number>, sql: string, parameter = [...map.keys()]): Promise<void> => {
    if (map.size === 0) return;
    const { rows } = await client.query<{ key: string }>(sql, [parameter]);
    lose(
      map,
      rows.map((row) => row.key),
    );
  };

  const messages = owners(
    (item) => (item.message === undefined ? [] : [item.message]),
    (m) => `${m.control} ${m.digest}`,
  );
  await ask(
    messages,
    `select control::text || ' ' || digest::text as key from message where control = any($1::uuid[])`,
    [...messages.keys()].map((key) => key.slice(0, 36)),
  );
  const aliases = owners(
    (item) => item.aliases,
    (alias) => Buffer.from(alias.hash, 'base64url').toString('hex'),
  );
  await ask(
    aliases,
    `select encode(hash, 'hex') as key from alias where hash in (select decode(h, 'hex') from unnest($1::text[]) h)`,
  );
  await ask(
    owners(
      (item) => item.lockboxes,
      (box) => box.slot,
    ),
    'select slot::text as key from lockbox where slot = any($1::uuid[])',
  );
  await ask(
    owners(
      (item) => item.patients,
      (row) => row.patient,
    ),
    'select patient::text as key from patient where patient = any($1::uuid[])',
  );

  // A version that exists already, or one whose predecessor is not there.
  const versions = owners(
    (item) => item.records,
    (record) => `${record.resource} ${record.version}`,
  );
  if (versions.size > 0) {
    const { rows } = await client.query<{ key: string }>(
      `select r.resource::text || ' ' || w.version::text as key
         from unnest($1::uuid[], $2::int[]) as w(resource, version)
         join record r on r.resource = w.resource and r.version = w.version`,
      [
        items.flatMap((item) => item.records.map((record) => record.resource)),
        items.flatMap((item) => item.records.map((record) => record.version)),
      ],
    );
    lose(
      versions,
      rows.map((row) => row.key),
    );
  }
  return losers;
}

async function writeGroup(client: Client, items: readonly CommitItem[], appended: GroupAppend): Promise<void> {
  const documents = new CopyRows();
  const payloads = new CopyRows();
  const lockboxes = new CopyRows();
  const patients = new CopyRows();
  const aliases = new CopyRows();
  const records = new CopyRows();
  const tokens = new CopyRows();
  const messages = new CopyRows();
  const tiles = new CopyRows();
  const consented: { patient: string; leaf: number }[] = [];

  let first = appended.firstLeaf;
  for (const item of items) {
    const leafOf = (document: number): LeafIndex => (first + document) as LeafIndex;
    const manifest = leafOf(item.manifest);
    item.documents.forEach((document, i) =>
      documents.row(3).int8(leafOf(i)).bytes(document.digest).bytes(document.body),
    );
    item.payloads.forEach((payload, ordinal) => {
      const row = payloads.row(5).int8(groupNumber(manifest, ordinal));
      if (payload.lockbox === undefined) row.null();
      else row.int8(typeof payload.lockbox === 'number' ? payload.lockbox : leafOf(payload.lockbox.document));
      row.bytes(payload.digest).int8(payload.size);
      if (payload.body === undefined) row.null();
      else row.bytes(payload.body);
    });
    for (const box of item.lockboxes)
      lockboxes.row(4).int8(leafOf(box.document)).uuid(box.slot).bytes(box.wrap).int8(box.nextTag);
    for (const row of item.patients) patients.row(3).uuid(row.patient).int8(leafOf(row.document)).bytes(row.wrap);
    for (const alias of item.aliases) aliases.row(2).bytes(Buffer.from(alias.hash, 'base64url')).uuid(alias.resource);
    for (const record of item.records) {
      records.row(6).uuid(record.resource).int4(record.version).int8(groupNumber(manifest, record.payload));
      records.int2(record.line).int4(record.source).int8(record.sourceTime);
    }
    for (const token of item.tokens) {
      tokens.row(4).int8(token.token).int8(token.sortTime).int8(groupNumber(manifest, token.payload));
      tokens.int8(BigInt.asIntN(64, token.mask));
    }
    if (item.message !== undefined) {
      messages.row(4).uuid(item.message.control).uuid(item.message.digest).int8(manifest);
      if (item.message.thread === undefined) messages.null();
      else messages.uuid(item.message.thread);
    }
    for (const patient of item.consentPatients) consented.push({ patient, leaf: manifest });
    first += item.documents.length;
  }
  for (const tile of appended.tiles) tiles.row(3).int2(tile.level).int8(tile.index).bytes(tile.hashes);

  await copyInto(client, 'document (leaf, digest, body)', documents);
  await copyInto(client, 'payload (grp, lockbox, digest, size, body)', payloads);
  await copyInto(client, 'lockbox (leaf, slot, wrap, next_tag)', lockboxes);
  await copyInto(client, 'patient (patient, leaf, wrap)', patients);
  await copyInto(client, 'alias (hash, resource)', aliases);
  await copyInto(client, 'record (resource, version, grp, line, source, source_time)', records);
  await copyInto(client, 'token (token, sort_time, grp, mask)', tokens);
  await copyInto(client, 'message (control, digest, leaf, thread)', messages);
  await copyInto(client, 'tile (level, idx, hashes)', tiles);
  for (const { patient, leaf } of consented) {
    await client.query('update patient set consent_leaf = $2 where patient = $1', [patient, leaf]);
  }
  const { head } = appended;
  await client.query(ADD_BLOCK, [head.block, appended.firstLeaf, head.size, head.root, head.checkpoint, appended.prev]);
  await client.query(MOVE_HEAD, [head.size, head.root, head.compact, head.block, head.checkpoint]);
}
