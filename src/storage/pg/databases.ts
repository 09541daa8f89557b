/** Databases of the embedded cluster as wholes: made, renamed and dropped from outside of them. For `rebuild`. */
import pg from 'pg';
import type { SocketConnection } from '../embedded-postgres/embedded-postgres.ts';
import { storeError } from './errors.ts';

/** Our own names: they stand in SQL text, where parameters are not allowed. */
const NAME = /^[a-z0-9_]{1,60}$/;

export type DatabaseStep =
  { readonly create: string } | { readonly drop: string } | { readonly rename: string; readonly to: string };

/** Takes the steps in order, each durable before the next. No other connection may be open to the databases named. */
export async function administerDatabases(connection: SocketConnection, steps: readonly DatabaseStep[]): Promise<void> {
  const client = new pg.Client({ ...connection, database: 'template1' });
  await client.connect().catch(storeError);
  try {
    for (const step of steps) await client.query(textOf(step)).catch(storeError);
  } finally {
    await client.end();
  }
}

function textOf(step: DatabaseStep): string {
  if ('create' in step) return `create database ${checked(step.create)} template template0`;
  if ('drop' in step) return `drop database ${checked(step.drop)}`;
  return `alter database ${checked(step.rename)} rename to ${checked(step.to)}`;
}

function checked(name: string): string {
  if (!NAME.test(name)) throw new TypeError('not a database name of ours');
  return name;
}
