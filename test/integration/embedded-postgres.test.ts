/** The launcher on clusters of its own: paths with spaces, restarts, refusals, what crashes leave behind. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, expect, test } from 'vitest';
import { silentLog } from '../../src/core/log.ts';
import { serverAccount } from '../../src/storage/embedded-postgres/account.ts';
import { locateBinaries } from '../../src/storage/embedded-postgres/binaries.ts';
import { ensureSocketDir } from '../../src/storage/embedded-postgres/cluster.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/storage/embedded-postgres/embedded-postgres.ts';
import { hasEnded, spawnServer, stopServer, waitReady } from '../../src/storage/embedded-postgres/server.ts';

const root = mkdtempSync(join(tmpdir(), "anamnesis pg 'quoted' "));
chmodSync(root, 0o711);
const dataDir = join(root, 'data dir');
const running: EmbeddedPostgres[] = [];

afterEach(async () => {
  for (const postgres of running.splice(0)) await postgres.stop();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function start(onState?: (up: boolean) => void): Promise<EmbeddedPostgres> {
  const options = { dataDir, log: silentLog, settings: { shared_buffers: '16MB' } };
  const postgres = await startEmbeddedPostgres(onState === undefined ? options : { ...options, onState });
  running.push(postgres);
  return postgres;
}

async function query<Row extends pg.QueryResultRow>(postgres: EmbeddedPostgres, text: string): Promise<Row[]> {
  const client = new pg.Client(postgres.connection);
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

test('an empty folder becomes a durable, local, silent Postgres 18', async () => {
  const postgres = await start();
  const names = ['fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses', 'data_checksums'];
  const silent = [
    'log_statement',
    'log_min_messages',
    'log_min_error_statement',
    'log_parameter_max_length_on_error',
    'log_error_verbosity',
  ];
  const rows = await query<{ name: string; setting: string }>(
    postgres,
    `select name, setting from pg_settings where name in (${[...names, ...silent].map((name) => `'${name}'`).join()})`,
  );
  expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
    fsync: 'on',
    synchronous_commit: 'on',
    full_page_writes: 'on',
    listen_addresses: '',
    data_checksums: 'on',
    log_statement: 'none',
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_parameter_max_length_on_error: '0',
    log_error_verbosity: 'terse',
  });
  const [locale] = await query(
    postgres,
    'select datlocprovider::text as provider, datlocale as locale from pg_database where datname = current_database()',
  );
  expect(locale).toEqual({ provider: 'b', locale: 'C.UTF-8' });
  expect(statSync(postgres.connection.host).mode & 0o777).toBe(0o700);
  expect(statSync(postgres.clusterDir).uid === 0).toBe(false);
});

test('it starts twice in a row and keeps what it was told', async () => {
  await query(await start(), 'create table if not exists kept as select 42 as answer');
  await running.pop()?.stop();
  expect(await query(await start(), 'select answer from kept')).toEqual([{ answer: 42 }]);
});

test('a second gateway on the same data directory refuses and says why', async () => {
  const first = await start();
  await expect(start()).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('in use by another gateway'),
  });
  expect(await query(first, 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('a statement that fails leaves no trace of its values in the log', async () => {
  const postgres = await start();
  await expect(query(postgres, "select 'CANARY-A'::int")).rejects.toThrow();
  await query(postgres, 'create table if not exists once (name text primary key)');
  await query(postgres, "insert into once values ('CANARY-B') on conflict do nothing");
  await expect(query(postgres, "insert into once values ('CANARY-B')")).rejects.toThrow();
  expect(readFileSync(`${postgres.clusterDir}.log`, 'utf8')).not.toContain('CANARY');
});

test('a server that is killed is started again and has lost nothing', async () => {
  const states: boolean[] = [];
  let back = (): void => {};
  const recovered = new Promise<void>((resolve) => (back = resolve));
  const postgres = await start((up) => {
    states.push(up);
    if (up) back();
  });
  await query(postgres, 'create table crash as select generate_series(1, 1000) as n');
  const killed = postgres.pid();
  process.kill(killed ?? 0, 'SIGKILL');
  await recovered;
  expect(states).toEqual([false, true]);
  expect(postgres.pid()).not.toBe(killed);
  expect(await query(postgres, 'select count(*)::int as n from crash')).toEqual([{ n: 1000 }]);
});

/** A server that runs on the cluster with nobody in charge of it, as after a kill -9 of a gateway without setpriv. */
async function orphan(clusterDir: string): Promise<ReturnType<typeof spawnServer>> {
  const account = serverAccount(clusterDir);
  const { postgres } = locateBinaries(account);
  const options = {
    postgres,
    clusterDir,
    socketDir: ensureSocketDir(clusterDir, account),
    logFile: `${clusterDir}.log`,
    account,
    settings: {},
  };
  const child = spawnServer(options);
  await waitReady(child, options, 30_000);
  return child;
}

test('a server left over from a killed gateway is stopped and replaced', async () => {
  const { clusterDir } = await start();
  await running.pop()?.stop();
  const child = await orphan(clusterDir);
  try {
    const postgres = await start();
    expect(hasEnded(child)).toBe(true);
    expect(postgres.pid()).not.toBe(child.pid);
    expect(await query(postgres, 'select 1 as one')).toEqual([{ one: 1 }]);
  } finally {
    await stopServer(child);
  }
});

test('a stale postmaster.pid with the number of a living stranger does not stop the start', async () => {
  const { clusterDir } = await start();
  await running.pop()?.stop();
  writeFileSync(
    join(clusterDir, 'postmaster.pid'),
    `${process.ppid}\n${clusterDir}\n1\n5432\n/nowhere\n\n  0  0\nready   \n`,
  );
  expect(await query(await start(), 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('a stale lock of the socket with the number of a living stranger does not stop the start', async () => {
  const { clusterDir } = await start();
  await running.pop()?.stop();
  const socketDir = ensureSocketDir(clusterDir, serverAccount(clusterDir));
  for (const suffix of ['', '.lock']) {
    writeFileSync(join(socketDir, `.s.PGSQL.5432${suffix}`), `${process.ppid}\n${clusterDir}\n1\n5432\n${socketDir}\n`);
  }
  expect(await query(await start(), 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('a cluster of another version is refused, and stays as it is', async () => {
  const { clusterDir } = await start();
  await running.pop()?.stop();
  const version = join(clusterDir, 'PG_VERSION');
  const stored = readFileSync(version);
  writeFileSync(version, '9\n');
  await expect(start()).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('Postgres 9') });
  writeFileSync(version, stored);
  expect(await query(await start(), 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('a data directory that is closed to others is opened for passing through, no further', async () => {
  chmodSync(dataDir, 0o700);
  const postgres = await start();
  expect(postgres.moved).toBe(false);
  expect(statSync(dataDir).mode & 0o077).toBe(userInfo().uid === 0 ? 0o001 : 0);
});

test('stop gives everything back', async () => {
  const postgres = await start();
  await postgres.stop();
  await postgres.stop();
  expect([postgres.isUp(), postgres.pid()]).toEqual([false, undefined]);
  expect([existsSync(postgres.connection.host), existsSync(join(dataDir, 'postgres.lock'))]).toEqual([false, false]);
});

test.runIf(userInfo().uid === 0)('as root it runs as an account without rights', async () => {
  const postgres = await start();
  expect(readFileSync(`/proc/${postgres.pid()}/status`, 'utf8')).toMatch(/^Uid:\t[1-9]/m);
});
