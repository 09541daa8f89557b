/**
 * Two gateways on one Postgres and one key file: a visit with many results is moved to another patient, and the process that takes
 * them after it is killed on the way. The other one goes on; in the end all of it is in the right record, and the log verifies.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, expect, it } from 'vitest';
import { connectMllp } from '../../src/clients/mllp.ts';
import { runCommand, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';
import { hl7 } from '../support/hl7v2.ts';
import { mrg, pid, pv1 } from '../support/identity-feed.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { clientOf } from '../support/fhir-gateway.ts';

const REPORTS = 6;
const RESULTS = 200;
const folder = mkdtempSync(join(tmpdir(), 'anamnesis-moves-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const at = (second: number): string => `2026030112${String(second).padStart(4, '0')}+0000`;

function report(n: number): string {
  const results = Array.from({ length: RESULTS }, (_, i) => `OBX|${i + 1}|NM|718-7^Hb^LN|${i + 1}|${i}|g/dL|||||F`);
  return hl7('ORU^R01', [pid('W'), pv1('V1'), `OBR|1||R${n}^LAB|58410-2^CBC^LN|||20260301`, ...results], at(n + 2));
}

it('a move goes on in another process when the one that does it is killed', { timeout: 300_000 }, async () => {
  const database = await createTestDatabase();
  const options = { dataDir: folder, env: { DATABASE_URL: database.url, KEY_FILE: join(folder, 'key') } };
  const first = await startGatewayProcess(options);
  const second = await startGatewayProcess(options);
  const gateways: readonly GatewayProcess[] = [first, second];
  try {
    const sender = await connectMllp({ ...first.mllp, timeoutMs: 120_000 });
    const send = async (message: string): Promise<void> => {
      expect((await sender.send(Buffer.from(message))).toString()).toContain('MSA|AA|');
    };
    await send(hl7('ADT^A04', [pid('W'), pv1('V1')], at(0)));
    await send(hl7('ADT^A04', [pid('R'), pv1('V2')], at(1)));
    for (let n = 0; n < REPORTS; n += 1) await send(report(n));
    await send(hl7('ADT^A45', [pid('R'), `${mrg('W')}||||V1^^^HOSP^VN`, pv1('V1')], at(59)));
    sender.close();

    const moving = (): GatewayProcess | undefined => gateways.find((one) => one.output().includes('moves.progress'));
    // Nothing is committed while we look and kill: the move cannot come to its end behind our back.
    const gate = new pg.Client(database.admin);
    await gate.connect();
    for (let seen = false; !seen; seen = moving() !== undefined) {
      await gate.query('commit; begin; lock table log_head in share mode');
      await delay(20);
    }
    const killed = moving();
    await killed?.stop('SIGKILL');
    await gate.end();
    expect(killed?.output()).not.toContain('moves.done');
    const [other] = gateways.filter((one) => one !== killed);
    while (!other.output().includes('moves.done')) await delay(50);

    const token = await runCommand(['token', '--role', 'practitioner', '--sub', 'dr'], options);
    const doctor = clientOf(`${other.http}/fhir`, token.stdout.trim().split('\n').at(-1) ?? '');
    const count = async (number: string): Promise<number> => {
      const { body } = await doctor('GET', `/Patient?identifier=${number}`);
      const { id } = body.entry[0].resource;
      return (await doctor('GET', `/Observation?patient=${id}&_count=1&_total=accurate`)).body.total ?? 0;
    };
    expect([await count('W'), await count('R')]).toEqual([0, REPORTS * RESULTS]);
    expect((await runCommand(['verify'], options)).code).toBe(0);
  } finally {
    for (const gateway of gateways) await gateway.stop('SIGKILL');
    await database.drop();
  }
});
