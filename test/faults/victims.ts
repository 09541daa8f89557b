/**
 * Kills a gateway that the test started, its Postgres, or one backend of that, with SIGKILL. A process is only ever
 * ended when it is the test's own child or a child of that.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { GatewayProcess } from '../support/gateway-process.ts';

export const VICTIMS = ['gateway', 'postgres', 'both', 'backend'] as const;
export type Victim = (typeof VICTIMS)[number];

interface Server {
  readonly pid: number;
  readonly port: number;
  readonly socketDir: string;
}

/** The embedded server of the data directory, by its pid file. */
function serverOf(dataDir: string): Server {
  const lines = readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n');
  const [pid = '', , , port = '', socketDir = ''] = lines;
  return { pid: Number(pid), port: Number(port), socketDir };
}

/** Parent of a process; undefined when it is gone, or where there is no /proc. */
function parentOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

/** False when it has ended by itself before. */
function killChild(pid: number, parent: number): boolean {
  const actual = parentOf(pid);
  if (actual !== undefined && actual !== parent) throw new Error(`process ${pid} is not a child of ${parent}`);
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

/** Runs a query on the gateway's embedded database, as a superuser. */
export async function query<Row extends pg.QueryResultRow>(dataDir: string, sql: string): Promise<Row[]> {
  const { port, socketDir } = serverOf(dataDir);
  const client = new pg.Client({ host: socketDir, port, user: 'postgres', database: 'postgres' });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Kills, and resolves when that is done; a killed gateway has ended then. */
export async function kill(victim: Victim, gateway: GatewayProcess, dataDir: string): Promise<void> {
  if (victim === 'backend') {
    for (;;) {
      const [row] = await query<{ pid: number }>(
        dataDir,
        `select pid from pg_stat_activity where application_name = 'anamnesis' order by state = 'idle', random() limit 1`,
      );
      if (row === undefined) throw new Error('the gateway has no backend');
      if (killChild(row.pid, serverOf(dataDir).pid)) return;
    }
  }
  if (victim !== 'gateway' && !killChild(serverOf(dataDir).pid, gateway.pid)) throw new Error('there is no server');
  if (victim !== 'postgres') await gateway.stop('SIGKILL');
}
