/** Two gateways on one Postgres: a source that is kept by one is in use in the other, with its intake threads, without a restart. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { connectMllp } from '../../src/clients/mllp.ts';
import { parseAck } from '../../src/formats/hl7v2/ack.ts';
import { runCommand, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';
import { oru } from '../support/hl7v2.ts';
import { createTestDatabase } from '../support/postgres.ts';

const folder = mkdtempSync(join(tmpdir(), 'anamnesis-sources-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a source kept by one process is in use in all', async () => {
  const database = await createTestDatabase();
  const env = {
    DATABASE_URL: database.url,
    KEY_FILE: join(folder, 'gateway.key'),
    UNKNOWN_SOURCES: 'refuse',
    INTAKE_THREADS: '2',
  };
  const gateways: GatewayProcess[] = [];
  try {
    for (const folderName of ['a', 'b'])
      gateways.push(await startGatewayProcess({ dataDir: join(folder, folderName), env }));
    const options = { dataDir: join(folder, 'a'), env };
    let count = 0;
    const codeAt = async ({ mllp }: GatewayProcess): Promise<string | undefined> => {
      const client = await connectMllp({ ...mllp, timeoutMs: 10_000 });
      try {
        // Several at once, so that every thread of the process has its say.
        count += 1;
        return parseAck(await client.send(Buffer.from(oru({ controlId: `P${count}`, obx: [] }))))?.code;
      } finally {
        client.close();
      }
    };
    const until = async (gateway: GatewayProcess, code: string): Promise<void> => {
      for (let same = 0, tries = 0; same < 10; tries += 1) {
        same = (await codeAt(gateway)) === code ? same + 1 : 0;
        if (tries > 300) throw new Error(`never answered ${code}`);
        await sleep(20);
      }
    };
    for (const gateway of gateways) expect(await codeAt(gateway)).toBe('AR');

    const scope = ['--scope', 'admin.write'];
    const { stdout } = await runCommand(['token', '--role', 'system', '--sub', 'ops', ...scope], options);
    const ask = (method: string, headers: Record<string, string>, body?: object): Promise<Response> =>
      fetch(`${gateways[0].http}/admin/sources/lab`, {
        method,
        headers: { authorization: `Bearer ${stdout.trim()}`, ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    const lab = { match: [{ application: 'LAB' }], assigner: 'urn:x:lab' };
    expect((await ask('PUT', { 'if-none-match': '*' }, lab)).status).toBe(201);
    for (const gateway of gateways) await until(gateway, 'AA');
    expect((await ask('DELETE', { 'if-match': '"1"' })).status).toBe(204);
    for (const gateway of gateways) await until(gateway, 'AR');
  } finally {
    for (const gateway of gateways) await gateway.stop();
    await database.drop();
  }
}, 120_000);
