/**
 * A crash at each step of a witness and of a mirror, and at each the two kinds: "failed and not stored" and "failed but stored".
 * Every round trip to the database and every call of the blob store fails once, with all memory lost at it or not. Whatever
 * happens: what was acknowledged is there, no witness cosigns two trees, no mirror acknowledges what it does not have, and
 * the sender gets to its end by trying again.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { ownMember } from '../../src/replication/member.ts';
import { systemRandom } from '../../src/core/random.ts';
import { generateKeySet } from '../../src/keys/key-set-codec.ts';
import { verifyLedger } from '../../src/services/verify-ledger.ts';
import { withLedgerSource } from '../../src/storage/pg/ledger-source.ts';
import { peerHttp } from '../../src/clients/peer-http.ts';
import { liftFreeze } from '../../src/storage/pg/checkpoint-store.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { parseCheckpoint } from '../../src/ledger/checkpoint.ts';
import { encodeAddCheckpoint } from '../../src/ledger/witness-message.ts';
import { MirrorClient, WitnessClient, type Target } from '../../src/replication/cosigner-client.ts';
import type { PeerHttp } from '../../src/replication/peer-ports.ts';
import { verifyReceipt } from '../../src/replication/receipt.ts';
import { openPool } from '../../src/storage/pg/pool.ts';
import { openPeerOrigin, peerMessage, type PeerOrigin } from '../support/peer-origin.ts';
import { PEER_ORIGIN } from '../support/peer-gateway.ts';
import { openPeerStand, type PeerStand } from '../support/peer-stand.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { stepProxy, Steps, type Failure } from '../support/step-proxy.ts';
import { openTestWriter, ORIGIN, type TestWriter } from '../support/writer.ts';
import { TestLog } from '../unit/replication/support.ts';
import { LONG } from './scale.ts';

const LOG = 'log.example/anamnesis';
const BLOB_BYTES = 2000;
/** Each step fails in these ways; the short form leaves out some steps, never a kind. */
const WAYS: readonly { readonly how: Failure; readonly crash: boolean }[] = [
  { how: 'after', crash: true },
  { how: 'before', crash: true },
  { how: 'after', crash: false },
  { how: 'before', crash: false },
];

let origin: PeerOrigin;
let targets: Target[];
let log: TestLog;
let fork: TestLog;
let stand: PeerStand;
beforeAll(async () => {
  origin = await openPeerOrigin();
  targets = [await origin.grow(20)];
  await origin.grow(50);
  // Three messages with a blob each; the bundle of 256 entries is full, the next one begun.
  targets.push(await origin.grow(3, BLOB_BYTES));
  expect(targets.at(-1)?.size).toBeGreaterThan(256);
  log = new TestLog(LOG, 40);
  fork = new TestLog(LOG, 40, {
    signer: log.signer,
    digests: log.digests.map((d, i) => (i < 15 ? d : Buffer.alloc(32, i))),
  });
  stand = await openPeerStand([origin.key, log.key]);
});
afterEach(() => stand.reset());
afterAll(async () => {
  await stand.close();
  await origin.close();
});

/** Runs `work` without a failure, then once for each step and way; the step's number and the way name what went wrong. */
async function atEachStep(work: () => Promise<void>, every: number): Promise<number> {
  const { steps } = stand;
  const from = (at: number, way: (typeof WAYS)[number]): string => `step ${at} ${way.how}${way.crash ? ', crash' : ''}`;
  steps.count = 0;
  await work();
  const total = steps.count;
  let runs = 0;
  let failures = 0;
  for (let at = 1; at <= total; at += 1) {
    for (const [i, way] of WAYS.entries()) {
      if (!LONG && (at + i) % every !== 0) continue;
      await stand.reset();
      steps.count = 0;
      steps.onFailure = (): void => void (way.crash && stand.crash());
      steps.failAt = { step: at, how: way.how };
      await work().catch((error: unknown) => {
        throw new Error(`${from(at, way)} of ${total}`, { cause: error });
      });
      // A run may take a step less than the first one, where a look falls together with another.
      failures += steps.failAt === undefined ? 1 : 0;
      runs += 1;
      steps.failAt = undefined;
    }
  }
  expect(failures).toBeGreaterThan(runs * 0.9);
  return total;
}

/** Tries until it is done; what may happen on the way is that nobody answers, or that somebody is away. */
async function persistently<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work();
    } catch (thrown) {
      const passing = thrown instanceof GatewayError && ['unavailable', 'busy'].includes(thrown.code);
      if (!passing || attempt === 8) throw thrown;
    }
  }
}

describe('the writer', () => {
  it('takes each message once, whichever round trip of it fails, and the chain stays one', async () => {
    const database = await createTestDatabase();
    const steps = new Steps();
    const proxy = await stepProxy(database.config, steps);
    const keys = generateKeySet(systemRandom);
    const open = (): Promise<TestWriter> => openTestWriter({ database: { ...database, config: proxy.config }, keys });
    let writer = await open();
    const sent = new Set<string>();
    /** Sends one message of a new patient until it is taken; true when the sender heard of a failure on the way. */
    const deliver = async (crash: boolean): Promise<boolean> => {
      const submission = peerMessage();
      for (let failed = false; ; failed = true) {
        try {
          const { answer, leaf } = await writer.writer.submit(submission);
          sent.add(String(submission.control));
          // What it was told it is told again.
          expect(await writer.writer.submit(submission)).toMatchObject({ replayed: true, answer, leaf });
          return failed;
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'unavailable' });
          if (!crash) continue;
          await writer.close();
          writer = await persistently(open);
        }
      }
    };
    await deliver(false);
    steps.count = 0;
    await deliver(false);
    const total = steps.count;
    expect(total).toBeGreaterThan(4);
    let heard = 0;
    for (let at = 1; at <= total; at += 1) {
      for (const { how, crash } of WAYS) {
        steps.count = 0;
        steps.failAt = { step: at, how };
        heard += (await deliver(crash)) ? 1 : 0;
        steps.failAt = undefined;
      }
    }
    expect(heard).toBeGreaterThan(total);
    const { rows } = await writer.pool.query('select count(*)::int as n from message');
    expect(rows).toEqual([{ n: sent.size }]);
    const found: unknown[] = [];
    await withLedgerSource(writer.pool, (source) =>
      verifyLedger({
        source,
        keys: { origin: ORIGIN, log: keys.log.rawPublicKey, sign: keys.sign.rawPublicKey },
        blobIntact: async () => true,
        report: (fault) => found.push(fault),
      }),
    );
    expect(found).toEqual([]);
    await writer.close();
    await proxy.close();
    await database.drop();
  }, 600_000);
});

describe('the witness', () => {
  it('goes on after a crash at any step, and what it cosigned it knows', async () => {
    const http = peerHttp();
    const total = await atEachStep(async () => {
      const client = new WitnessClient({
        http,
        origin: LOG,
        url: `${stand.url}/witness`,
        key: stand.witnessKey,
        deadlineMs: 10_000,
        log: {
          ...origin.log,
          hashes: (size) => log.hashes(size),
        },
      });
      for (const size of [3, 17, 17, 40]) {
        const target = { size, root: log.root(size), checkpoint: log.checkpoint(size) };
        const cosigned = await persistently(() => client.cosign(target));
        expect(cosigned).toMatchObject({ size, cosigner: stand.witnessKey.name });
        const [row] = await stand.query(`select size, root, frozen from accepted_checkpoint where role = 'witness'`);
        expect([Number(row?.size), row?.root, row?.frozen]).toEqual([size, log.root(size), false]);
      }
    }, 3);
    expect(total).toBeGreaterThan(6);
    http.close();
  }, 600_000);

  it('never cosigns a second tree, keeps the evidence, and stays with it through crashes until a person lifts it', async () => {
    const total = await atEachStep(async () => {
      const cosigned = new Map<number, Buffer>();
      const post = async (role: string, body: string): Promise<number | undefined> => {
        const answer = await fetch(`${stand.url}/${role}/add-checkpoint`, { method: 'POST', body }).catch(
          () => undefined,
        );
        const text = await answer?.text().catch(() => undefined);
        if (answer === undefined || text === undefined || answer.status === 503) return undefined;
        const sent = parseCheckpoint(body.slice(body.indexOf('\n\n') + 2))?.checkpoint;
        if (answer.status === 200 && role === 'witness' && sent !== undefined) {
          expect(cosigned.get(sent.size) ?? sent.root).toEqual(sent.root);
          cosigned.set(sent.size, sent.root);
        }
        return answer.status;
      };
      const until = async (role: string, body: string, wanted: readonly number[]): Promise<number> => {
        for (let attempt = 0; attempt < 8; attempt += 1) {
          const status = await post(role, body);
          if (status !== undefined && wanted.includes(status)) return status;
        }
        throw new Error(`never one of ${wanted.join()}`);
      };
      // After "failed but stored" the same request again is one from an old size.
      await until('witness', await log.addCheckpoint(0, 20), [200, 409]);
      // 422 for the one that finds it; 403 once it is frozen, if that answer was lost.
      await until('witness', encodeAddCheckpoint(20, [], fork.checkpoint(20)), [422, 403]);
      // The mirror, which has never heard of the log, knows of it as well.
      await until('mirror', await log.addCheckpoint(0, 20), [403]);
      expect(await until('witness', await log.addCheckpoint(20, 30), [200, 403])).toBe(403);
      expect(await until('witness', await fork.addCheckpoint(20, 30), [200, 403])).toBe(403);
      const kept = await stand.query('select first_note, second_note from equivocation');
      expect(kept.length).toBeGreaterThan(0);
      for (const { first_note: first, second_note: second } of kept) {
        const [one, two] = [first, second].map((note) => parseCheckpoint(String(note))?.checkpoint);
        expect([one?.size, one?.root, two?.size, two?.root]).toEqual([20, log.root(20), 20, fork.root(20)]);
      }
      expect(await liftFreeze(direct(), LOG)).toBe(true);
      await until('witness', await log.addCheckpoint(20, 30), [200, 409]);
      expect(await until('witness', await fork.addCheckpoint(30, 40), [200, 422])).toBe(422);
      for (const [size, root] of cosigned) expect(root).toEqual(log.root(size));
    }, 4);
    expect(total).toBeGreaterThan(8);
  }, 600_000);
});

describe('the mirror', () => {
  it('goes on after a crash at any step, and never says that it has what it has not', async () => {
    const http = peerHttp();
    let acknowledged = 0;
    const checked: PeerHttp = {
      open: (request) => http.open(request),
      async send(request) {
        const answer = await http.send(request);
        if (answer.status !== 200) return answer;
        const body = answer.body.toString();
        if (request.url.endsWith('/add-entries')) acknowledged += await expectEntries();
        const receipt = /"receipt":("(?:[^"\\]|\\.)*")/.exec(body)?.[1];
        if (receipt !== undefined) acknowledged += await expectHeld(String(JSON.parse(receipt)));
        return answer;
      },
    };
    // One member note for all: each new one is kept, which is a step.
    const member = ownMember({
      origin: origin.key.name,
      signKey: origin.writer.keys.sign,
      log: origin.signer,
      clock: systemClock,
    });
    const total = await atEachStep(async () => {
      const client = new MirrorClient({
        http: checked,
        log: origin.log,
        origin: origin.key.name,
        url: `${stand.url}/mirror`,
        key: stand.mirrorKey,
        deadlineMs: 10_000,
        sendsBlobs: true,
        authorization: () => member.token(PEER_ORIGIN),
        readBlob: (digest, from, to) => piece(digest, from, to),
      });
      for (const target of targets) {
        const { cosignature, receipt } = await persistently(async () => {
          const brought = await client.bring(target);
          // "Somebody has brought it further" is this client itself, whose answer was lost: the next round has all.
          if (brought.receipt === undefined) throw new GatewayError('busy', 'no receipt for this size yet');
          return brought;
        });
        expect(receipt).toMatchObject({ size: target.size, blobs: target.size });
        expect(cosignature).toMatchObject({ size: target.size, root: target.root });
      }
      await expectWhole();
    }, 10);
    expect(total).toBeGreaterThan(30);
    expect(acknowledged).toBeGreaterThan(total);
    http.close();
  }, 600_000);
});

async function* piece(digest: Buffer, from: number, to: number): AsyncGenerator<Buffer> {
  yield (origin.blobs.get(digest.toString('hex')) ?? Buffer.alloc(0)).subarray(from, to);
}

/** What the mirror shows as its checkpoint is covered by entries that are all there and right. */
async function expectEntries(): Promise<number> {
  const [row] = await stand.query('select log, size, root, next_entry from mirror_log');
  const size = Number(row?.size);
  expect(Number(row?.next_entry)).toBeGreaterThanOrEqual(size);
  const bundles = await stand.query('select idx, digests from mirror_bundle order by idx');
  const digests = Buffer.concat(bundles.map(({ digests: bytes }) => bytes as Buffer));
  expect(digests.subarray(0, size * 32).equals(Buffer.concat(await origin.log.leafDigests(0, size)))).toBe(true);
  const truth = targets.find((target) => target.size === size);
  expect(row?.root).toEqual(truth?.root);
  return 1;
}

/** Tables of a mirror and of an origin, to be compared by a hash over their rows: the part of each below a leaf. */
const SAME = {
  document: ['leaf, body', 'leaf'],
  payload: ['grp, digest, size, body', 'grp / 4096'],
  tile: ['level, idx, hashes', 'idx * 0'],
  block: ['number, first_leaf, size, root, checkpoint, prev', 'first_leaf'],
} as const;

async function hashes(tables: readonly (keyof typeof SAME)[], prefix: string, below: number): Promise<unknown> {
  const found: Record<string, unknown> = {};
  for (const table of tables) {
    const [columns, leaf] = SAME[table];
    const rows = `select (${columns})::text as t from ${prefix}${table} where ${leaf} < ${below}`;
    const sql = `select count(*)::int as rows, md5(string_agg(t, ',' order by t)) as hash from (${rows}) x`;
    found[table] = prefix === '' ? (await origin.writer.pool.query(sql)).rows : await stand.query(sql);
  }
  return found;
}

const truths = new Map<string, unknown>();
async function expectSame(tables: readonly (keyof typeof SAME)[], below: number): Promise<void> {
  const key = `${tables.join()} ${below}`;
  const truth = truths.get(key) ?? (await hashes(tables, '', below));
  truths.set(key, truth);
  expect(await hashes(tables, 'mirror_', below), key).toEqual(truth);
}

/** What a receipt says is there: documents and payloads by their bytes, blobs in the store. */
async function expectHeld(note: string): Promise<number> {
  const receipt = verifyReceipt(note, stand.mirrorKey);
  if (receipt === undefined) throw new Error('a receipt that does not verify');
  const { held, blobs } = receipt;
  await expectSame(['document', 'payload'], held);
  const named = await stand.query(
    `select digest, size from mirror_payload where body is null and grp < ${blobs}::bigint * 4096`,
  );
  for (const { digest, size } of named) {
    expect((await stand.blobs.stat(digest as Buffer))?.size).toBe(Number(size));
  }
  return 1;
}

/** In the end the mirror has byte for byte what the origin has. */
async function expectWhole(): Promise<void> {
  await expectSame(['document', 'payload', 'tile', 'block'], Number.MAX_SAFE_INTEGER);
  expect(await stand.query('select 1 from mirror_missing_blob')).toEqual([]);
  for (const [digest, bytes] of origin.blobs) {
    expect(bytes.equals(await stand.blobs.readAt(Buffer.from(digest, 'hex'), 0, BLOB_BYTES + 1))).toBe(true);
  }
}

let directPool: ReturnType<typeof openPool> | undefined;
/** A pool past the proxy. */
function direct(): ReturnType<typeof openPool> {
  return (directPool ??= openPool(stand.database.config, { max: 1, statementTimeoutMs: 0 }, () => {}));
}
afterAll(() => directPool?.end());
