/** `anamnesis prove` on a stored ledger, and `verify-receipt` on what it printed. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CliContext } from '../../../src/cli/command.ts';
import { prove } from '../../../src/cli/prove.ts';
import { verifyReceipt } from '../../../src/cli/verify-receipt.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { formatVkey, KEY_ED25519, verifierKey } from '../../../src/ledger/note.ts';
import { fileKeyProvider } from '../../../src/storage/key-file.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { openTestWriter, ORIGIN } from '../../support/writer.ts';

let folder: string;
let database: TestDatabase;
let env: Record<string, string>;
let keyArgs: string[];
let id: string;
let leaf: number;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'anamnesis-prove-'));
  const keyFile = join(folder, 'gateway.key');
  const { keySet } = await fileKeyProvider({ path: keyFile, random: systemRandom }).load({ create: true });
  database = await createTestDatabase();
  env = { DATABASE_URL: database.url, KEY_FILE: keyFile, DATA_DIR: folder, GATEWAY_ORIGIN: ORIGIN, SOURCE_NAME: 'lab' };
  const vkey = formatVkey(verifierKey(ORIGIN, KEY_ED25519, keySet.log.rawPublicKey));
  writeFileSync(join(folder, 'vkey'), `${vkey}\n`);
  keyArgs = ['--vkey', join(folder, 'vkey'), '--sign-key', keySet.sign.rawPublicKey.toString('base64url')];
  const writer = await openTestWriter({ database, keys: keySet });
  for (const n of [1, 2]) {
    const accepted = await writer.writer.submit({
      kind: 'hl7v2',
      source: 'lab',
      control: `C${n}`,
      raw: { bytes: Buffer.from(`MSH|${n}`), contentType: 'x-application/hl7-v2+er7' },
      receivedAt: n,
      sourceTime: n,
      details: {},
      changes: [
        {
          mode: 'merge',
          type: 'Patient',
          keys: [['identifier', 'urn:mrn', '1']],
          sourceTime: n,
          set: { resourceType: 'Patient', name: [{ family: `F${n}` }] },
        },
      ],
    });
    id = accepted.results[0].id;
    leaf = accepted.leaf;
  }
  await writer.close();
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true });
});

function context(): CliContext & { lines: string[] } {
  const lines: string[] = [];
  return { env, cwd: folder, lines, out: (line) => void lines.push(line), err: () => {} };
}

async function receiptOf(...args: string[]): Promise<string> {
  const cli = context();
  expect(await prove([...args, '--out', join(folder, 'out.tlog-proof')], cli)).toBe(0);
  return readFileSync(join(folder, 'out.tlog-proof'), 'utf8');
}

it('proves records, messages and leaves, each to the end', async () => {
  const receipts = await Promise.all([
    receiptOf(`Patient/${id}`),
    receiptOf(`Patient/${id}/_history/1`),
    receiptOf('--leaf', String(leaf)),
    receiptOf('--message', 'C1'),
    receiptOf('--message', 'C2', '--source', 'lab'),
  ]);
  for (const text of receipts) {
    writeFileSync(join(folder, 'r'), text);
    const cli = context();
    expect(await verifyReceipt(['r', ...keyArgs], cli)).toBe(0);
    expect(cli.lines.at(-1)).toBe('The receipt is right.');
  }
  expect(receipts[2]).toContain(`index ${leaf}\n`);
  expect(receipts[4]).toContain(`index ${leaf}\n`);
});

it('says what it cannot prove', async () => {
  await expect(prove(['Patient/nobody'], context())).rejects.toMatchObject({ code: 'not-found' });
  await expect(prove(['--leaf', '999999'], context())).rejects.toMatchObject({ code: 'not-found' });
  await expect(prove(['--message', 'C3'], context())).rejects.toMatchObject({ code: 'not-found' });
  await expect(prove(['--message', 'C1', '--source', 'other'], context())).rejects.toMatchObject({ code: 'not-found' });
  for (const args of [[], ['x'], ['Patient/a/_history/0'], ['--leaf=-1'], ['--leaf', '1', 'Patient/a']]) {
    await expect(prove(args, context())).rejects.toMatchObject({ exitCode: 64 });
  }
});
