/** A gateway on a Postgres of the operator's whose server goes away and comes back: readiness and metrics say so, and it goes on by itself. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const root = mkdtempSync(join(tmpdir(), 'anamnesis-away-'));
const sockets = new Set<Socket>();
let database: TestDatabase;
let gateway: GatewayProcess;
let away = false;

/** The way to the server; while `away` nobody is let through, and who was is cut off. */
const door = createServer((client) => {
  if (away) return void client.destroy();
  const server = connect(join(database.config.host, `.s.PGSQL.${database.config.port}`));
  for (const socket of [client, server]) {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      client.destroy();
      server.destroy();
    });
  }
  client.pipe(server).pipe(client);
});

beforeAll(async () => {
  database = await createTestDatabase();
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  const address = door.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const { user, database: name } = database.config;
  const DATABASE_URL = `postgresql://${user}@127.0.0.1:${address.port}/${name}`;
  gateway = await startGatewayProcess({ dataDir: root, env: { DATABASE_URL } });
});
afterAll(async () => {
  await gateway.stop();
  door.close();
  await database.drop();
  rmSync(root, { recursive: true, force: true });
});

async function readiness(): Promise<{ readonly status: number; readonly database: boolean }> {
  const response = await fetch(`${gateway.http}/readyz`);
  const body: unknown = await response.json();
  return { status: response.status, database: JSON.stringify(body).includes('"database":true') };
}

test('readiness follows the database', async () => {
  expect(await readiness()).toEqual({ status: 200, database: true });
  away = true;
  for (const socket of sockets) socket.destroy();
  await expect.poll(readiness, { timeout: 20_000 }).toEqual({ status: 503, database: false });
  expect(await (await fetch(`${gateway.http}/metrics`)).text()).toContain('anamnesis_ready{check="database"} 0');
  away = false;
  await expect.poll(readiness, { timeout: 20_000 }).toEqual({ status: 200, database: true });
  expect(gateway.output()).toMatch(/"event":"database-away"[\s\S]*"event":"database-back"/);
}, 60_000);
