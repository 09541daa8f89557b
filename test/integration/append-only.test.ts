/**
 * Every way around the append-only tables that we know: as the gateway's account, as the tables' owner, as the superuser; which
 * is prevented, and what finds the rest.
 */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectProtections, WRITER } from '../../src/storage/pg/protect.ts';
import { prepareDatabase } from '../../src/storage/pg/prepare-database.ts';
import { withLedgerSource } from '../../src/storage/pg/ledger-source.ts';
import { openPool } from '../../src/storage/pg/pool.ts';
import { migrate } from '../../src/storage/pg/migrate.ts';
import { verifyLedger } from '../../src/services/verify-ledger.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { openTestWriter, ORIGIN, type TestWriter } from '../support/writer.ts';

let writer: TestWriter;
beforeAll(async () => {
  writer = await openTestWriter();
  for (let n = 0; n < 3; n += 1) await submit(n);
});
afterAll(() => writer.close());

function submit(n: number): Promise<unknown> {
  return writer.writer.submit({
    kind: 'hl7v2',
    source: 'lab',
    control: `C${n}`,
    receivedAt: n,
    sourceTime: n,
    details: {},
    changes: [
      {
        mode: 'merge',
        type: 'Practitioner',
        keys: [['npi', `${n}`]],
        sourceTime: n,
        set: { resourceType: 'Practitioner' },
      },
    ],
  });
}

/** SQLSTATE of the last statement; undefined when it was done. All is undone. */
async function attempt(role: 'writer' | 'owner' | 'superuser', ...statements: string[]): Promise<string | undefined> {
  const client = new pg.Client(role === 'writer' ? writer.database.config : writer.database.admin);
  await client.connect();
  try {
    if (role === 'owner') await client.query('set role anamnesis_owner');
    await client.query('begin');
    for (const statement of statements) await client.query(statement);
    return undefined;
  } catch (error) {
    return error instanceof pg.DatabaseError ? error.code : String(error);
  } finally {
    await client.query('rollback');
    await client.end();
  }
}

async function faults(): Promise<string[]> {
  const found: string[] = [];
  const { log, sign } = writer.keys;
  await withLedgerSource(writer.pool, (source) =>
    verifyLedger({
      source,
      keys: { origin: ORIGIN, log: log.rawPublicKey, sign: sign.rawPublicKey },
      blobIntact: async () => true,
      report: ({ kind }) => void found.push(kind),
    }),
  );
  return found;
}

const TRUTH = ['document', 'payload', 'tile', 'block', 'log_head'];
const CHANGES: Readonly<Record<string, string>> = {
  document: `update document set body = 'x' where leaf = 1`,
  payload: 'update payload set size = 1',
  tile: `insert into tile values (0, 0, 'x') on conflict (level, idx) do update set hashes = 'x'`,
  block: `update block set checkpoint = 'x'`,
  log_head: 'update log_head set size = size - 1',
};
const STATEMENTS = [
  ...Object.values(CHANGES).filter((statement) => !statement.startsWith('insert')),
  ...TRUTH.flatMap((table) => [`delete from ${table}`, `truncate ${table}`, `truncate ${table} cascade`]),
  `insert into document select * from document on conflict (leaf) do update set body = 'x'`,
  `merge into block b using block c on b.number = c.number when matched then delete`,
  'with gone as (delete from document returning leaf) select * from gone',
].filter((statement) => !/(delete from|truncate) tile/.test(statement) || statement.startsWith('truncate'));

/** Definitions: what would make the statements above possible, or hide them. */
const DEFINITIONS = [
  ...TRUTH.flatMap((table) => [
    `alter table ${table} disable trigger all`,
    `alter table ${table} disable trigger user`,
    `alter table ${table} disable trigger append_only`,
    `drop trigger append_only on ${table}`,
    `drop table ${table} cascade`,
    `alter table ${table} rename to gone`,
    `alter table ${table} add column more int`,
    `create rule away as on insert to ${table} do instead nothing`,
    `alter table ${table} enable row level security`,
  ]),
  `create trigger evil before insert on document for each row execute function refuse_change()`,
  `alter trigger append_only on document rename to append`,
  `alter table document enable trigger append_only`,
  `alter table document enable replica trigger append_only`,
  `alter table document alter column body type text using 'x'`,
  `alter table document drop column body`,
  `alter table document drop constraint document_pkey cascade`,
  `create table more_documents () inherits (document)`,
  `create policy evil on document using (false)`,
  `create or replace function refuse_change() returns trigger language plpgsql as 'begin return null; end'`,
  `alter function refuse_change() rename to gone`,
  `drop function refuse_change() cascade`,
  `drop owned by anamnesis_owner cascade`,
];

describe('the gateway itself', () => {
  it('logs in as an account that appends, and all protections stand', async () => {
    const stands = await inspectProtections(writer.pool, WRITER);
    expect(stands.filter(({ present }) => !present)).toEqual([]);
    const { rows } = await writer.pool.query('select session_user as login');
    expect(rows).toEqual([{ login: WRITER }]);
  });

  it.each([...STATEMENTS, ...DEFINITIONS])('is refused: %s', async (statement) => {
    expect(await attempt('writer', statement)).toMatch(/^42501$|^42704$/);
  });

  it.each([
    'set session_replication_role = replica',
    'set role anamnesis_owner',
    'alter event trigger anamnesis_freeze_ddl disable',
    'drop event trigger anamnesis_freeze_ddl',
    'set event_triggers = off',
    'update lockbox set slot = gen_random_uuid()',
    'update patient set leaf = 0',
    'delete from record',
    'delete from message',
    'update alias set resource = gen_random_uuid()',
    `update log_head set origin = 'x'`,
    'create table evil (a int)',
  ])('is refused: %s', async (statement) => {
    expect(await attempt('writer', statement)).toBe('42501');
  });
});

describe('the owner of the tables', () => {
  it('cannot log in', async () => {
    const client = new pg.Client({ ...writer.database.config, user: 'anamnesis_owner' });
    await expect(client.connect()).rejects.toMatchObject({ code: '28000' });
  });

  it.each([...STATEMENTS, ...DEFINITIONS])('is refused: %s', async (statement) => {
    expect(await attempt('owner', statement)).toBe('42501');
  });

  it('cannot turn the guards off', async () => {
    expect(await attempt('owner', 'drop event trigger anamnesis_freeze_ddl')).toBe('42501');
    expect(await attempt('owner', 'set session_replication_role = replica')).toBe('42501');
    expect(await attempt('owner', `grant update on document to ${WRITER}`)).toBeUndefined();
  });
});

describe('the superuser', () => {
  it.each([...STATEMENTS, ...DEFINITIONS])('is refused: %s', async (statement) => {
    expect(await attempt('superuser', statement)).toBe('42501');
  });

  it.each(STATEMENTS)('is refused as a replication worker: %s', async (statement) => {
    expect(await attempt('superuser', 'set session_replication_role = replica', statement)).toBe('42501');
  });

  it('who turns the guards off first is seen while they are off', async () => {
    const { admin } = writer.database;
    const client = new pg.Client(admin);
    await client.connect();
    const missing = async (): Promise<string[]> =>
      (await inspectProtections(writer.pool, WRITER)).filter(({ present }) => !present).map(({ name }) => name);
    await client.query('alter event trigger anamnesis_freeze_ddl disable');
    expect(await missing()).toEqual(['frozen-ddl']);
    await client.query('alter table document disable trigger append_only');
    expect(await missing()).toEqual(['append-only-triggers', 'frozen-ddl']);
    await client.query('alter table document owner to postgres');
    await client.query(`grant update on document to ${WRITER}`);
    expect(await missing()).toEqual(['append-only-triggers', 'frozen-ddl', 'owner-role', 'writer-role']);
    await client.query('alter table document enable always trigger append_only');
    await client.end();
    // The next start of a gateway puts everything on again.
    await prepareDatabase({ admin, gateway: 'embedded' });
    expect(await missing()).toEqual([]);
  });

  it.each([
    [`update document set body = body || 'x' where leaf = 1`, 'document-digest'],
    ['delete from document where leaf = 2', 'document-missing'],
    ['delete from block where number = 1', 'block-missing'],
    [
      `update block set checkpoint = replace(checkpoint, ${`'${ORIGIN}'`}, 'x') where number = 1`,
      'checkpoint-mismatch',
    ],
    ['update log_head set size = size - 1', 'head-mismatch'],
  ])('changes rows behind the guards, and verify finds it: %s', async (statement, fault) => {
    expect(await faults()).toEqual([]);
    const tables = ['document', 'payload', 'block', 'log_head'];
    const keep = tables.map((table) => `create table kept_${table} as select * from ${table}`);
    await writer.database.tamper(...keep, statement);
    expect(await faults()).toContain(fault);
    const back = tables.flatMap((table) => [
      `delete from ${table}`,
      `insert into ${table} select * from kept_${table}`,
      `drop table kept_${table}`,
    ]);
    await writer.database.tamper(...back);
    expect(await faults()).toEqual([]);
  });

  it('rolls the whole database back to an older head, which only somebody who kept a checkpoint can see', async () => {
    const before = await writer.pool.query('select size, block, checkpoint, compact, root from log_head');
    const [{ size, block, checkpoint, compact, root }] = before.rows;
    await submit(9);
    const { rows: kept } = await writer.pool.query('select checkpoint from log_head');
    const hex = (bytes: Buffer): string => `'\\x${bytes.toString('hex')}'`;
    await writer.database.tamper(
      `delete from payload where grp >= ${size}::bigint * 4096`,
      `delete from document where leaf >= ${size}`,
      `delete from block where number > ${block}`,
      `update log_head set size = ${size}, block = ${block}, checkpoint = '${checkpoint}', compact = ${hex(compact)}, root = ${hex(root)}`,
    );
    expect(await faults()).toEqual([]);
    const { rows } = await writer.pool.query('select checkpoint from block order by number desc limit 1');
    expect(rows[0].checkpoint).not.toBe(kept[0].checkpoint);
  });
});

describe('a database of somebody else', () => {
  it('whose account is no superuser and owns everything: triggers only, and that is said', async () => {
    const database = await createTestDatabase({ empty: true });
    const admin = new pg.Client(database.admin);
    await admin.connect();
    const account = `plain_${process.pid}`;
    await admin.query(`create role ${account} login`);
    await admin.query(`grant create, usage on schema public to ${account}`);
    const gateway = { ...database.admin, user: account };
    const { login, role, migrated } = await prepareDatabase({ admin: gateway, gateway });
    expect([login, role, migrated.length > 2]).toEqual([account, undefined, true]);
    const pool = openPool(gateway, { max: 1, statementTimeoutMs: 0 }, () => {});
    const missing = (await inspectProtections(pool, login)).filter(({ present }) => !present);
    expect(missing.map(({ name }) => name)).toEqual(['frozen-ddl', 'owner-role', 'writer-role']);
    await pool.query(`insert into tile values (0, 0, 'x')`);
    await expect(pool.query('delete from tile')).rejects.toMatchObject({ code: '42501' });
    await pool.end();
    await admin.end();

    // With an administering account the same database is guarded wholly.
    const guarded = await prepareDatabase({ admin: { ...database.admin }, gateway });
    expect(guarded.role).toBeUndefined();
    const again = openPool(gateway, { max: 1, statementTimeoutMs: 0 }, () => {});
    expect((await inspectProtections(again, account)).filter(({ present }) => !present)).toEqual([]);
    await again.end();
    await database.drop();
    const cleaner = new pg.Client({ ...database.admin, database: 'postgres' });
    await cleaner.connect();
    await cleaner.query(`drop role ${account}`);
    await cleaner.end();
  });

  it('whose account is a superuser: its sessions take the lesser role, and that it could do more is said', async () => {
    const database = await createTestDatabase({ empty: true });
    const { connection, role, login } = await prepareDatabase({
      admin: { ...database.admin },
      gateway: { ...database.admin },
    });
    expect(role).toBe(WRITER);
    const pool = openPool(connection, { max: 1, statementTimeoutMs: 0, role: WRITER }, () => {});
    const missing = (await inspectProtections(pool, login)).filter(({ present }) => !present);
    expect(missing.map(({ name }) => name)).toEqual(['writer-role']);
    await expect(pool.query('update tile set level = 1')).rejects.toMatchObject({ code: '42501' });
    await pool.end();
    await database.drop();
  });

  it('lets the migrations of later versions through', async () => {
    const database = await createTestDatabase();
    const pool = openPool({ ...database.admin }, { max: 1, statementTimeoutMs: 0 }, () => {});
    // As if this version's guards were those of an older one.
    await pool.query(
      'alter event trigger anamnesis_freeze_ddl disable; alter event trigger anamnesis_freeze_drop disable',
    );
    await pool.query('drop function refuse_change() cascade; drop function refuse_step_back() cascade');
    await pool.query('delete from schema_migration where number = 3');
    await pool.query(
      'alter event trigger anamnesis_freeze_ddl enable; alter event trigger anamnesis_freeze_drop enable',
    );
    expect(await migrate(pool)).toEqual([3]);
    await prepareDatabase({ admin: { ...database.admin }, gateway: 'embedded' });
    expect((await inspectProtections(pool, WRITER)).filter(({ present }) => !present)).toEqual([]);
    await pool.end();
    await database.drop();
  });
});
