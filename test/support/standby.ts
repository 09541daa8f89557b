/**
 * A real Postgres primary with a streaming standby, both from the product's binaries, behind one address that a test moves
 * from one to the other: a fail-over as a Patroni or a managed service does it.
 */
import type { ChildProcess } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { silentLog } from '../../src/core/log.ts';
import { serverAccount } from '../../src/storage/embedded-postgres/account.ts';
import { locateBinaries } from '../../src/storage/embedded-postgres/binaries.ts';
import { ensureSocketDir } from '../../src/storage/embedded-postgres/cluster.ts';
import { startEmbeddedPostgres, type SocketConnection } from '../../src/storage/embedded-postgres/embedded-postgres.ts';
import { spawnServer, stopServer } from '../../src/storage/embedded-postgres/server.ts';
import { prepareDatabase } from '../../src/storage/pg/prepare-database.ts';
import { WRITER } from '../../src/storage/pg/protect.ts';

export interface Standby {
  readonly connection: SocketConnection;
  /** Resolves when it has replayed all that the primary has written. */
  caughtUp(): Promise<void>;
  /** Ends recovery: it takes writes on a timeline of its own. */
  promote(): Promise<void>;
  /** Stops the server; `start` brings it back as it is. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface FailoverPair {
  readonly primary: SocketConnection;
  readonly standby: Standby;
  /** Of the gateway, through the address that moves. */
  readonly config: pg.ClientConfig;
  readonly url: string;
  /** Cuts all connections, and lets new ones reach this server; undefined: none. */
  pointTo(target: SocketConnection | undefined): void;
  stopPrimary(): Promise<void>;
  close(): Promise<void>;
}

export async function openFailoverPair(): Promise<FailoverPair> {
  const folder = mkdtempSync(join(tmpdir(), 'anamnesis-failover-'));
  // The account of the servers has to pass it.
  chmodSync(folder, 0o711);
  const settings = { wal_keep_size: '512MB', fsync: 'off' };
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'primary'), log: silentLog, settings });
  const primary = { ...postgres.connection };
  await prepareDatabase({ admin: primary, gateway: 'embedded' });
  const standby = await openStandby(folder, postgres.clusterDir, primary);
  const address = await movingAddress(primary);
  const config = { host: '127.0.0.1', port: address.port, user: WRITER, database: primary.database };
  return {
    primary,
    standby,
    config,
    url: `postgresql://${WRITER}@127.0.0.1:${address.port}/${primary.database}`,
    pointTo: address.pointTo,
    stopPrimary: () => postgres.stop(),
    async close() {
      await address.close();
      await standby.stop();
      await postgres.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function query(connection: SocketConnection, text: string): Promise<Record<string, unknown>> {
  const client = new pg.Client({ ...connection });
  await client.connect();
  try {
    return ((await client.query(text)).rows as Record<string, unknown>[])[0] ?? {};
  } finally {
    await client.end();
  }
}

async function until(look: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 30_000;
  while (!(await look().catch(() => false))) {
    if (Date.now() > end) throw new Error('the standby did not get there');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A base backup (PostgreSQL 25.3.3) of the running primary, started as a streaming standby. */
async function openStandby(folder: string, primaryDir: string, primary: SocketConnection): Promise<Standby> {
  const clusterDir = join(folder, 'standby');
  const client = new pg.Client({ ...primary });
  await client.connect();
  await client.query(`select pg_backup_start('standby', fast => true)`);
  cpSync(primaryDir, clusterDir, { recursive: true, filter: (path) => !/postmaster\.(pid|opts)$/.test(path) });
  const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop()');
  await client.end();
  writeFileSync(join(clusterDir, 'backup_label'), rows[0]?.labelfile ?? '');
  writeFileSync(join(clusterDir, 'standby.signal'), '');
  const account = serverAccount(primaryDir);
  give(clusterDir, statSync(primaryDir));
  const socketDir = ensureSocketDir(clusterDir, account);
  const connection = { ...primary, host: socketDir };
  const { postgres } = locateBinaries(account);
  let server: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const settings = {
      primary_conninfo: `host=${primary.host} port=${primary.port} user=${primary.user}`,
      fsync: 'off',
    };
    server = spawnServer({ postgres, clusterDir, socketDir, logFile: `${clusterDir}.log`, account, settings });
    await until(async () => (await query(connection, 'select 1 as up')).up === 1).catch(() => {
      throw new Error(readFileSync(`${clusterDir}.log`, 'utf8'));
    });
  };
  await start();
  return {
    connection,
    async caughtUp() {
      const { lsn } = await query(primary, 'select pg_current_wal_lsn()::text as lsn');
      await until(
        async () =>
          (await query(connection, `select pg_last_wal_replay_lsn() >= '${String(lsn)}' as done`)).done === true,
      );
    },
    async promote() {
      await query(connection, 'select pg_promote(true)');
    },
    async stop() {
      if (server !== undefined) await stopServer(server);
      server = undefined;
    },
    start,
  };
}

function give(path: string, { uid, gid }: { readonly uid: number; readonly gid: number }): void {
  if (process.getuid?.() === 0) {
    chownSync(path, uid, gid);
    for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) chownSync(join(path, name), uid, gid);
  }
}

async function movingAddress(
  first: SocketConnection,
): Promise<{ port: number; pointTo: FailoverPair['pointTo']; close: () => Promise<void> }> {
  let target: SocketConnection | undefined = first;
  const sockets = new Set<Socket>();
  const listener = createServer((near) => {
    if (target === undefined) return void near.destroy();
    const far = connect(join(target.host, `.s.PGSQL.${target.port}`));
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (listener.address() as AddressInfo).port,
    pointTo(next) {
      target = next;
      cut();
    },
    async close() {
      cut();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
