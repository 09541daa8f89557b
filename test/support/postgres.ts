/** Databases for tests, each of its own, on the one embedded cluster that global-setup.ts runs for the whole test run. */
import pg from 'pg';
import { inject } from 'vitest';
import type { SocketConnection } from '../../src/storage/embedded-postgres/embedded-postgres.ts';
import { TEMPLATE_DATABASE } from './template-name.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The cluster's superuser connection to its own `postgres` database. */
    readonly postgres: SocketConnection;
  }
}

export interface TestDatabase {
  /** For `new pg.Pool(config)` or a gateway's database setting. */
  readonly config: SocketConnection;
  /** The same as a URL, for DATABASE_URL. */
  readonly url: string;
  drop(): Promise<void>;
}

/** The connection as a `postgresql://` URL; the socket's folder stands in the query. */
export function connectionUrl(connection: SocketConnection): string {
  return `postgresql://${connection.user}@/${connection.database}?host=${encodeURIComponent(connection.host)}&port=${connection.port}`;
}

let sequence = 0;

/** Makes a database with the migrations applied (`empty`: without). Drop it in afterAll; connections to it are cut. */
export async function createTestDatabase(options: { readonly empty?: boolean } = {}): Promise<TestDatabase> {
  const server = inject('postgres');
  sequence += 1;
  const database = `test_${process.pid}_${sequence}`;
  await run(server, `create database ${database} template ${options.empty === true ? 'template0' : TEMPLATE_DATABASE}`);
  const config = { ...server, database };
  return {
    config,
    url: connectionUrl(config),
    drop: () => run(server, `drop database if exists ${database} with (force)`),
  };
}

async function run(server: SocketConnection, statement: string): Promise<void> {
  const client = new pg.Client(server);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
