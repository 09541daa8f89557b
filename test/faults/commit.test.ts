/**
 * The connection to Postgres is lost at COMMIT: before the server has it ("failed and not stored"), in the middle of the rows, or
 * after it was committed ("failed but stored"). Nobody is told anything that is not so, a resend is taken exactly once, and
 * the ledger verifies.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { verifyLedger } from '../../src/services/verify-ledger.ts';
import { withLedgerSource } from '../../src/storage/pg/ledger-source.ts';
import type { Accepted, Submission } from '../../src/write/submission.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { postgresProxy, type Loss, type PostgresProxy } from '../support/postgres-proxy.ts';
import { openTestWriter, ORIGIN, type TestWriter } from '../support/writer.ts';

let database: TestDatabase;
let proxy: PostgresProxy;
let writer: TestWriter;
beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await postgresProxy(database.config);
  writer = await openTestWriter({ database: { ...database, config: proxy.config } });
});
afterAll(async () => {
  await writer.close();
  await proxy.close();
  await database.drop();
});
afterEach(async () => {
  proxy.onCommit = () => 'pass';
  proxy.downMs = 0;
  await expectSound();
});

/** One message: a patient of its own, and an answer that tells it from others. */
function message(control: string): Submission {
  return {
    kind: 'hl7v2',
    source: 'lab',
    control,
    raw: { bytes: Buffer.from(`MSH|${control}`), contentType: 'x-application/hl7-v2+er7' },
    changes: [
      {
        mode: 'merge',
        type: 'Patient',
        keys: [['identifier', 'urn:mrn', control]],
        sourceTime: 1,
        set: { resourceType: 'Patient', identifier: [{ system: 'urn:mrn', value: control }] },
      },
    ],
    receivedAt: 1_700_000_100_000,
    sourceTime: 1,
    details: {},
    answer: (results) => `taken as ${results[0].id}`,
  };
}

/** Loses the next commit in this way, then nothing. */
function loseOnce(loss: Loss): void {
  proxy.onCommit = () => {
    proxy.onCommit = () => 'pass';
    return loss;
  };
}

async function expectSound(): Promise<void> {
  const faults: unknown[] = [];
  const { log, sign } = writer.keys;
  await withLedgerSource(writer.pool, (source) =>
    verifyLedger({
      source,
      blobIntact: async () => true,
      keys: { origin: ORIGIN, log: log.rawPublicKey, sign: sign.rawPublicKey },
      report: (fault) => faults.push(fault),
    }),
  );
  expect(faults).toEqual([]);
}

async function counts(): Promise<{ size: number; messages: number; records: number }> {
  const sql = `select size, (select count(*) from message) as messages, (select count(*) from record) as records from log_head`;
  return (await writer.pool.query(sql)).rows[0];
}

const outcomeOf = (submission: Submission): Promise<Accepted | GatewayError> =>
  writer.writer.submit(submission).catch((error: GatewayError) => error);

describe('a message that the database refuses', () => {
  it('sinks alone out of a full group, and what waits behind it is taken', async () => {
    const before = await counts();
    // The database itself refuses a row of this time, whoever brings it.
    await database.tamper(
      'create trigger poison before insert on record for each row when (new.source_time = 666) execute function refuse_change()',
    );
    const poison = (n: number): Submission => {
      const { changes, ...rest } = message(`poison ${n}`);
      return { ...rest, changes: changes.map((change) => ({ ...change, sourceTime: 666 })) };
    };
    const good = Array.from({ length: 60 }, (_, i) => message(`P-${i}`));
    const group = [...good.slice(0, 20), poison(1), ...good.slice(20, 41), poison(2), ...good.slice(41)];
    const outcomes = await Promise.all(group.map(outcomeOf));
    const refused = outcomes.flatMap((outcome, i) => (outcome instanceof GatewayError ? [i] : []));
    expect(refused).toEqual([20, 42]);
    expect(await counts()).toMatchObject({ messages: before.messages + 60, records: before.records + 60 });
    expect(await writer.writer.submit(message('P-behind'))).toMatchObject({ replayed: false });
    for (const each of good) expect(await writer.writer.submit(each)).toMatchObject({ replayed: true });
  });
});

describe('the connection goes at COMMIT', () => {
  it.each(['before', 'within'] as const)(
    '%s the server has it all: nothing is stored, and the sender hears that it failed',
    async (loss) => {
      const before = await counts();
      loseOnce(loss);
      await expect(writer.writer.submit(message(`N-${loss}`))).rejects.toMatchObject({ code: 'unavailable' });
      expect(await counts()).toEqual(before);
      expect(await writer.writer.submit(message(`N-${loss}`))).toMatchObject({ replayed: false });
      expect(await counts()).toMatchObject({ messages: before.messages + 1, records: before.records + 1 });
    },
  );

  it('after the server has stored it: the block is found, and the sender hears that it was taken', async () => {
    const before = await counts();
    loseOnce('after');
    const accepted = await writer.writer.submit(message('S-1'));
    expect(accepted).toMatchObject({ replayed: false });
    const after = await counts();
    expect(after).toMatchObject({ messages: before.messages + 1, records: before.records + 1 });
    expect(accepted.leaf).toBe(after.size - 1);
    expect(await writer.writer.submit(message('S-1'))).toMatchObject({
      replayed: true,
      answer: accepted.answer,
      leaf: accepted.leaf,
    });
    expect(await counts()).toEqual(after);
  });

  it('after it was stored, and the database stays away for a while: the block is looked for until it answers', async () => {
    loseOnce('after');
    proxy.downMs = 800;
    const accepted = await writer.writer.submit(message('S-2'));
    expect(accepted).toMatchObject({ replayed: false });
    proxy.downMs = 0;
    expect(await writer.writer.submit(message('S-2'))).toMatchObject({ replayed: true, answer: accepted.answer });
  });

  it('for a whole group: all of it is stored or nothing', async () => {
    for (const loss of ['before', 'within', 'after'] as const) {
      const before = await counts();
      const group = Array.from({ length: 12 }, (_, i) => message(`G-${loss}-${i}`));
      loseOnce(loss);
      const outcomes = await Promise.all(group.map(outcomeOf));
      const taken = outcomes.filter((outcome) => !(outcome instanceof GatewayError)).length;
      expect(await counts()).toMatchObject({ messages: before.messages + taken });
      const again = await Promise.all(group.map((each) => writer.writer.submit(each)));
      expect(again.map(({ replayed }) => replayed)).toEqual(
        outcomes.map((outcome) => !(outcome instanceof GatewayError)),
      );
    }
  });

  it('again and again under load: what was said to be taken is there once, what failed is taken by a resend', async () => {
    const before = await counts();
    const kinds: readonly Loss[] = ['pass', 'before', 'pass', 'after', 'within', 'pass', 'after'];
    let commits = 0;
    proxy.onCommit = () => kinds[commits++ % kinds.length];
    const total = 120;
    const answers = new Map<string, string | undefined>();
    const send = async (control: string): Promise<void> => {
      for (;;) {
        const outcome = await outcomeOf(message(control));
        if (outcome instanceof GatewayError) {
          expect(['unavailable', 'busy']).toContain(outcome.code);
          continue;
        }
        answers.set(control, outcome.answer);
        return;
      }
    };
    const controls = Array.from({ length: total }, (_, i) => `L-${i}`);
    for (let at = 0; at < total; at += 10) await Promise.all(controls.slice(at, at + 10).map(send));
    proxy.onCommit = () => 'pass';
    expect(proxy.losses.before + proxy.losses.within + proxy.losses.after).toBeGreaterThan(8);
    expect(await counts()).toMatchObject({ messages: before.messages + total, records: before.records + total });
    for (const control of controls) {
      expect(await writer.writer.submit(message(control))).toMatchObject({
        replayed: true,
        answer: answers.get(control),
      });
    }
  });
});
