/**
 * Four gateways on one Postgres and one key file, started at once, under load, one of them killed in the middle: every message
 * that was acknowledged is there once, in one chain that verifies.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, expect, it } from 'vitest';
import { connectMllp, type MllpClient } from '../../src/clients/mllp.ts';
import { runCommand, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';
import { createTestDatabase } from '../support/postgres.ts';

const PROCESSES = 4;
const SENDERS = 3;
const MESSAGES = 40;
const folder = mkdtempSync(join(tmpdir(), 'anamnesis-processes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A result of one of nine patients: senders of all processes write about the same ones. */
function message(sender: number, n: number): Buffer {
  const id = `S${sender}-${n}`;
  const time = new Date(Date.UTC(2026, 2, 1) + n * 60_000).toISOString().replaceAll(/\D/g, '').slice(0, 14);
  return Buffer.from(
    [
      `MSH|^~\\&|LAB|HOSP|GW|HOSP|${time}+0000||ORU^R01^ORU_R01|${id}|P|2.5.1`,
      `PID|1||P${n % 9}^^^HOSP^MR||Doe^Jane||19800704|F`,
      `OBR|1|P-${id}^EHR|F-${id}^LAB|57021-8^CBC^LN|||${time}+0000|||||||||||||||${time}+0000||LAB|F`,
      `OBX|1|NM|718-7^Hemoglobin^LN||${n}|g/dL|||||F`,
      '',
    ].join('\r'),
  );
}

/** Sends until an AA has come, at whichever gateway still answers. Resolves with the number of times it was sent. */
async function deliver(
  gateways: readonly GatewayProcess[],
  dead: ReadonlySet<number>,
  sender: number,
): Promise<string[]> {
  let at = sender % PROCESSES;
  let client: MllpClient | undefined;
  const acknowledged: string[] = [];
  for (let n = 0; n < MESSAGES; n += 1) {
    for (;;) {
      try {
        client ??= await connectMllp({ ...gateways[at].mllp, timeoutMs: 30_000 });
        const answer = (await client.send(message(sender, n))).toString();
        if (!answer.includes('MSA|AA|')) throw new Error(answer);
        acknowledged.push(`S${sender}-${n}`);
        break;
      } catch (error) {
        client?.close();
        client = undefined;
        if (!dead.has(at)) throw error;
        at = (at + 1) % PROCESSES;
      }
    }
  }
  client?.close();
  return acknowledged;
}

it('write one ledger, and the death of one loses nothing', { timeout: 240_000 }, async () => {
  const database = await createTestDatabase({ empty: true });
  const env = {
    DATABASE_URL: database.url,
    KEY_FILE: join(folder, 'gateway.key'),
    SOURCE_NAME: 'lab',
    INTAKE_THREADS: '1',
  };
  const options = (n: number): { dataDir: string; env: Record<string, string> } => ({
    dataDir: join(folder, `${n}`),
    env,
  });
  const gateways = await Promise.all(Array.from({ length: PROCESSES }, (_, n) => startGatewayProcess(options(n))));
  const admin = new pg.Client(database.admin);
  await admin.connect();
  try {
    const dead = new Set<number>();
    const sending = Promise.all(
      Array.from({ length: PROCESSES * SENDERS }, (_, sender) => deliver(gateways, dead, sender)),
    );
    const total = PROCESSES * SENDERS * MESSAGES;
    const count = async (): Promise<number> => {
      const { rows } = await admin.query<{ n: string }>('select count(*)::text as n from message');
      return Number(rows[0].n);
    };
    // A sender that fails ends this as well.
    while ((await count()) < total / 3) await Promise.race([delay(20), sending]);
    dead.add(1);
    expect(await gateways[1].stop('SIGKILL')).toBe('SIGKILL');

    const acknowledged = (await sending).flat();
    expect(new Set(acknowledged).size).toBe(total);
    // Each once: a message that was committed but not acknowledged was recognised when it came again.
    expect(await count()).toBe(total);
    const { rows: patients } = await admin.query<{ n: string }>('select count(*)::text as n from patient');
    expect(patients).toEqual([{ n: '9' }]);

    const { rows: chain } = await admin.query<{ broken: string; blocks: string }>(`
      select count(*)::text as blocks, count(*) filter (where b.number > 0 and (p.number is null or b.first_leaf <> p.size
             or b.prev <> sha256(convert_to(p.checkpoint, 'utf8'))))::text as broken
        from block b left join block p on p.number = b.number - 1`);
    expect(chain[0].broken).toBe('0');
    const verified = await runCommand(['verify'], options(0));
    expect(verified.stdout.trim().split('\n').at(-1)).toMatch(/nothing is wrong$/);
    expect(verified.code).toBe(0);
  } finally {
    await admin.end();
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await database.drop();
  }
});
