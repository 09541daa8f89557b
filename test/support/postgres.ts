/** Databases for tests, each of its own, on the one embedded cluster that global-setup.ts runs for the whole test run. */
import pg from 'pg';
import { inject } from 'vitest';
import type { SocketConnection } from '../../src/storage/embedded-postgres/embedded-postgres.ts';
import { WRITER } from '../../src/storage/pg/protect.ts';
import { TEMPLATE_DATABASE } from './template-name.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The cluster's superuser connection to its own `postgres` database. */
    readonly postgres: SocketConnection;
  }
}

export interface TestDatabase {
  /** As the gateway connects: the writer's account, which can append and no more (`empty`: the superuser). */
  readonly config: SocketConnection;
  /** The same as a URL, for DATABASE_URL. */
  readonly url: string;
  /** The superuser. */
  readonly admin: SocketConnection;
  /** Runs statements that nothing but the database's own guards could stop: those are off meanwhile. */
  tamper(...statements: readonly string[]): Promise<void>;
  drop(): Promise<void>;
}

/** The connection as a `postgresql://` URL; the socket's folder stands in the query. */
export function connectionUrl(connection: SocketConnection): string {
  return `postgresql://${connection.user}@/${connection.database}?host=${encodeURIComponent(connection.host)}&port=${connection.port}`;
}

const GUARDS = ['document', 'payload', 'tile', 'block', 'log_head']
  .flatMap((table) => [`${table} %s trigger append_only`, `${table} %s trigger no_truncate`])
  .concat('log_head %s trigger forward_only');
const EVENTS = ['anamnesis_freeze_ddl', 'anamnesis_freeze_drop'];
const OFF = [
  ...EVENTS.map((name) => `alter event trigger ${name} disable`),
  ...GUARDS.map((guard) => `alter table ${guard.replace('%s', 'disable')}`),
];
const ON = [
  ...GUARDS.map((guard) => `alter table ${guard.replace('%s', 'enable always')}`),
  ...EVENTS.map((name) => `alter event trigger ${name} enable always`),
];

let sequence = 0;

/** Makes a database with the migrations applied (`empty`: without). Drop it in afterAll; connections to it are cut. */
export function createTestDatabase(options: { readonly empty?: boolean } = {}): Promise<TestDatabase> {
  return makeDatabase(options.empty === true ? 'template0' : TEMPLATE_DATABASE, options.empty !== true);
}

/** A backup of a database: a copy as it is now. Nobody may be connected to the original. */
export function copyTestDatabase(original: TestDatabase): Promise<TestDatabase> {
  return makeDatabase(original.config.database, true);
}

async function makeDatabase(template: string, prepared: boolean): Promise<TestDatabase> {
  const server = inject('postgres');
  sequence += 1;
  const database = `test_${process.pid}_${sequence}`;
  await run(server, `create database ${database} template ${template}`);
  const admin = { ...server, database };
  const config = prepared ? { ...admin, user: WRITER } : admin;
  return {
    config,
    url: connectionUrl(config),
    admin,
    tamper: (...statements) => run(admin, ['begin', ...OFF, ...statements, ...ON, 'commit'].join(';')),
    drop: () => run(server, `drop database if exists ${database} with (force)`),
  };
}

async function run(server: SocketConnection, statement: string): Promise<void> {
  await rowsOf(server, statement);
}

/** Runs a statement on a connection of its own; its rows. bigint comes back as text. */
export async function rowsOf(
  connection: pg.ClientConfig,
  statement: string,
  values: readonly unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    // Without values as a simple query, which may be several statements.
    const { rows } = await (values.length === 0 ? client.query(statement) : client.query(statement, [...values]));
    return rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}
