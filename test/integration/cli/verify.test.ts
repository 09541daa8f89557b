/** `anamnesis verify` on a real Postgres: a sound ledger, then one damage in each table, and a gateway's own data directory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CliContext } from '../../../src/cli/command.ts';
import type { StoredLedger } from '../../../src/cli/stored-ledger.ts';
import { verify, verifyStored } from '../../../src/cli/verify.ts';
import { silentLog } from '../../../src/core/log.ts';
import { systemRandom } from '../../../src/core/random.ts';
import type { Change } from '../../../src/formats/fhir/change.ts';
import { fileKeyProvider } from '../../../src/storage/key-file.ts';
import { startEmbeddedPostgres } from '../../../src/storage/embedded-postgres/embedded-postgres.ts';
import { withLedgerSource } from '../../../src/storage/pg/ledger-source.ts';
import { prepareDatabase } from '../../../src/storage/pg/prepare-database.ts';
import { WRITER } from '../../../src/storage/pg/protect.ts';
import { openTestWriter, ORIGIN, type TestWriter } from '../../support/writer.ts';

const change = (n: number): Change => ({
  mode: 'merge',
  type: 'Patient',
  keys: [['identifier', 'urn:mrn', `${n % 20}`]],
  sourceTime: n,
  set: {
    resourceType: 'Patient',
    identifier: [{ system: 'urn:mrn', value: `${n % 20}` }],
    name: [{ family: `F${n}` }],
  },
});

async function submitAll(writer: TestWriter['writer'], from: number, to: number): Promise<void> {
  await Promise.all(
    Array.from({ length: to - from }, (_, at) =>
      writer.submit({
        kind: 'hl7v2',
        source: 'lab',
        control: `M${from + at}`,
        raw: { bytes: Buffer.from(`MSH|${from + at}`), contentType: 'x-application/hl7-v2+er7' },
        changes: [change(from + at)],
        receivedAt: 1,
        sourceTime: from + at,
        details: {},
      }),
    ),
  );
}

function context(env: Record<string, string> = {}): CliContext & { lines: string[] } {
  const lines: string[] = [];
  return { env, cwd: tmpdir(), lines, out: (line) => void lines.push(line), err: () => {} };
}

describe('a ledger on Postgres', () => {
  let writer: TestWriter;
  let ledger: StoredLedger;
  beforeAll(async () => {
    writer = await openTestWriter();
    for (let at = 0; at < 320; at += 40) await submitAll(writer.writer, at, at + 40);
    const { log, sign } = writer.keys;
    ledger = {
      keys: { origin: ORIGIN, log: log.rawPublicKey, sign: sign.rawPublicKey },
      keySet: writer.keys,
      pool: writer.pool,
      login: writer.database.config.user,
      blobs: { stat: async () => undefined } as unknown as StoredLedger['blobs'],
      read: (work) => withLedgerSource(writer.pool, work),
      close: async () => {},
    };
  });
  afterAll(() => writer.close());

  const run = async (): Promise<{ code: number; lines: string[] }> => {
    const cli = context();
    return { code: await verifyStored(ledger, false, cli), lines: cli.lines };
  };

  it('that the writer made has no fault', async () => {
    const { code, lines } = await run();
    expect(lines).toEqual([
      expect.stringMatching(/^verified a log of \d{3,} leaves: .* full tiles: nothing is wrong$/),
    ]);
    expect(code).toBe(0);
  });

  it('under other keys has no right signature, and the answer says what to look at', async () => {
    const cli = context();
    const keys = { ...ledger.keys, log: ledger.keys.sign, sign: ledger.keys.log };
    expect(await verifyStored({ ...ledger, keys }, false, cli)).toBe(1);
    expect(cli.lines.at(-2)).toContain('is KEY_FILE the key file of this gateway?');
  });

  // With all guards off, as a superuser can do it; each is undone afterwards.
  const damages: [statement: string, undo: string, line: string][] = [
    [
      `update document set body = body || 'x'::bytea where leaf = 40`,
      `update document set body = substring(body for length(body) - 1) where leaf = 40`,
      'leaf 40: document-digest: the document is not the one whose digest was stored',
    ],
    [
      'update payload set size = size + 1 where grp = (select min(grp) from payload)',
      'update payload set size = size - 1 where grp = (select min(grp) from payload)',
      'field size: payload-row: digest, size or kind stored beside the payload are not those of the document',
    ],
    [
      'update tile set hashes = set_byte(hashes, 100, get_byte(hashes, 100) # 1)',
      'update tile set hashes = set_byte(hashes, 100, get_byte(hashes, 100) # 1)',
      'tile 0/0, leaf 3: tile-mismatch: a stored tile does not hold the hashes of the tree',
    ],
    [
      'update block set prev = set_byte(prev, 0, get_byte(prev, 0) # 1) where number = 2',
      'update block set prev = set_byte(prev, 0, get_byte(prev, 0) # 1) where number = 2',
      'block 2: block-prev: the block does not name the SHA-256 of the previous checkpoint',
    ],
    [
      'update log_head set size = size + 1',
      'update log_head set size = size - 1',
      'field size: head-mismatch: the head row is not what the last block and the tree say',
    ],
  ];
  it.each(damages)('%s', async (statement, undo, line) => {
    await writer.database.tamper(statement);
    try {
      const { code, lines } = await run();
      expect(lines.some((found) => found.endsWith(line))).toBe(true);
      expect(lines.at(-1)).toMatch(/: \d+ faults?$/);
      expect(code).toBe(1);
    } finally {
      await writer.database.tamper(undo);
    }
    expect((await run()).code).toBe(0);
  });
});

describe('the data directory of a gateway', () => {
  const folder = mkdtempSync(join(tmpdir(), 'anamnesis verify '));
  const dataDir = folder;
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is refused when no gateway was ever started there; verified beside a running gateway and after it has stopped', async () => {
    const env = { DATA_DIR: dataDir, GATEWAY_ORIGIN: ORIGIN };
    await expect(verify([], context(env))).rejects.toMatchObject({ code: 'not-found' });

    const provider = fileKeyProvider({ path: join(dataDir, 'gateway.key'), random: systemRandom });
    const { keySet } = await provider.load({ create: true });
    const postgres = await startEmbeddedPostgres({ dataDir, log: silentLog });
    try {
      await prepareDatabase({ admin: { ...postgres.connection }, gateway: 'embedded' });
      const config = { ...postgres.connection, user: WRITER };
      const nothing = async (): Promise<void> => {};
      const database = { config, url: '', admin: postgres.connection, tamper: nothing, drop: nothing };
      const running = await openTestWriter({ database, keys: keySet });
      await submitAll(running.writer, 0, 5);
      const beside = context(env);
      expect([await verify([], beside), beside.lines]).toEqual([0, [expect.stringContaining('nothing is wrong')]]);
      await running.close();
    } finally {
      await postgres.stop();
    }
    const fast = context(env);
    expect(await verify(['--hashes'], fast)).toBe(0);
    expect(fast.lines[0]).toMatch(/^verified the hashes of a log of \d+ leaves: .* nothing is wrong$/);
    const after = context(env);
    expect(await verify(['--independent-signatures'], after)).toBe(0);
    expect(after.lines).toEqual([expect.stringContaining('nothing is wrong')]);
    await expect(verify(['--unknown'], context(env))).rejects.toMatchObject({ code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION' });
  });
});
