import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Equivocation } from '../../../src/replication/accept-checkpoint.ts';
import { originHash, trustOf } from '../../../src/replication/trust.ts';
import { createWitness, type Witness } from '../../../src/replication/witness.ts';
import { cosignatureTime, cosignerKey } from '../../../src/ledger/cosignature.ts';
import { parseNote, verifyNote } from '../../../src/ledger/note.ts';
import { EMPTY_POLICY } from '../../../src/ledger/policy.ts';
import { encodeAddCheckpoint } from '../../../src/ledger/witness-message.ts';
import { noteSigner } from '../ledger/support.ts';
import { MemoryCheckpoints, TestLog } from './support.ts';

const ORIGIN = 'stmary.example/anamnesis';
const NOW = 1_800_000_000_123;

interface Setup {
  readonly log: TestLog;
  readonly store: MemoryCheckpoints;
  readonly witness: Witness;
  readonly signer: ReturnType<typeof noteSigner>;
  readonly alarms: Equivocation[];
  readonly suspended: Set<string>;
}

function setup(size = 600): Setup {
  const log = new TestLog(ORIGIN, size);
  const store = new MemoryCheckpoints();
  const signer = noteSigner('other.example/anamnesis/witness');
  const alarms: Equivocation[] = [];
  const suspended = new Set<string>();
  const trust = trustOf({ ...EMPTY_POLICY, logs: [{ key: log.key, url: undefined }] }, (origin) =>
    suspended.has(origin),
  );
  const clock = { now: () => NOW };
  const witness = createWitness({ trust, store, clock, signer, onEquivocation: (found) => alarms.push(found) });
  return { log, store, witness, signer, alarms, suspended };
}

describe('witness', () => {
  it('cosigns a first checkpoint and its extensions', async () => {
    const { log, store, witness, signer } = setup();
    for (const [from, to] of [
      [0, 1],
      [1, 300],
      [300, 300],
      [300, 600],
    ] as const) {
      const answer = await witness.addCheckpoint(await log.addCheckpoint(from, to));
      if (answer.status !== 200) throw new Error(String(answer.status));
      const note = parseNote(log.checkpoint(to) + answer.body);
      expect(note && verifyNote(note, [cosignerKey(signer)])).toHaveLength(1);
      expect(cosignatureTime(note?.signatures[1]?.signature ?? Buffer.alloc(0))).toBe(1_800_000_000);
      expect(store.states.get(ORIGIN)?.size).toBe(to);
    }
    const shown = parseNote((await witness.checkpoint(originHash(ORIGIN))) ?? '');
    expect(shown && verifyNote(shown, [log.key, cosignerKey(signer)])).toHaveLength(2);
    expect(await witness.checkpoint(originHash('other'))).toBeUndefined();
  });

  it('signs nothing on a database that has forgotten what was signed', async () => {
    const { log, store, witness } = setup();
    await witness.addCheckpoint(await log.addCheckpoint(0, 200));
    const old = store.states.get(ORIGIN);
    await witness.addCheckpoint(await log.addCheckpoint(200, 400));
    if (old !== undefined) store.states.set(ORIGIN, old);
    const fork = new TestLog(ORIGIN, 0, {
      signer: log.signer,
      digests: [...log.digests.slice(0, 200), ...log.digests.slice(300)],
    });
    await expect(witness.addCheckpoint(await fork.addCheckpoint(200, 350))).rejects.toMatchObject({
      code: 'integrity',
    });
    // The next one is compared with what is known in memory, and finds the other row in its place.
    await expect(witness.addCheckpoint(await log.addCheckpoint(400, 500))).rejects.toMatchObject({ code: 'integrity' });
    expect(store.states.get(ORIGIN)?.size).toBe(200);
  });

  it('answers every fault with the status of the specification and stores nothing', async () => {
    const { log, store, witness, suspended } = setup();
    const foreign = new TestLog('foreign.example/anamnesis', 10);
    const impostor = new TestLog(ORIGIN, 600);
    await witness.addCheckpoint(await log.addCheckpoint(0, 200));
    const before = store.states.get(ORIGIN);
    const status = async (body: string): Promise<unknown> => {
      const answer = await witness.addCheckpoint(body);
      return answer.status === 409 ? [409, answer.size] : answer.status;
    };
    expect(await status('nonsense')).toBe(400);
    expect(await status(encodeAddCheckpoint(301, [], log.checkpoint(300)))).toBe(400);
    expect(await status(await foreign.addCheckpoint(0, 10))).toBe(404);
    expect(await status(await impostor.addCheckpoint(200, 300))).toBe(403);
    expect(await status(await log.addCheckpoint(0, 300))).toEqual([409, 200]);
    expect(await status(await log.addCheckpoint(100, 300))).toEqual([409, 200]);
    expect(await status(await log.addCheckpoint(100, 150))).toEqual([409, 200]);
    expect(await status(encodeAddCheckpoint(200, [], log.checkpoint(300)))).toBe(422);
    const proof = await log.proof(200, 300);
    proof[0] = Buffer.alloc(32);
    expect(await status(encodeAddCheckpoint(200, proof, log.checkpoint(300)))).toBe(422);
    expect(await status(encodeAddCheckpoint(200, await log.proof(100, 200), log.checkpoint(200)))).toBe(422);
    suspended.add(ORIGIN);
    expect(await status(await log.addCheckpoint(200, 300))).toBe(403);
    suspended.delete(ORIGIN);
    expect(store.states.get(ORIGIN)).toEqual(before);
    expect(await status(await log.addCheckpoint(200, 300))).toBe(200);
  });

  it('wants an empty proof and the right root of a tree that begins', async () => {
    const { log, witness } = setup();
    const body = encodeAddCheckpoint(0, [Buffer.alloc(32)], log.checkpoint(5));
    expect((await witness.addCheckpoint(body)).status).toBe(422);
    expect((await witness.addCheckpoint(encodeAddCheckpoint(0, [], log.checkpoint(0)))).status).toBe(200);
    const wrong = log.checkpoint(0).replace('47DEQpj8', 'AAAAQpj8');
    expect((await witness.addCheckpoint(encodeAddCheckpoint(0, [], wrong))).status).toBe(403);
  });

  it.each([
    { claims: 'the last cosigned size', size: 100, answer: { status: 422 } },
    { claims: 'another size', size: 0, answer: { status: 409, size: 100 } },
  ])('keeps both notes of two trees and cosigns nothing more until a person lifts it: old $claims', async (lie) => {
    const { log, store, witness, alarms } = setup();
    const fork = new TestLog(ORIGIN, 0, {
      signer: log.signer,
      digests: [...log.digests.slice(0, 99), Buffer.alloc(32)],
    });
    await witness.addCheckpoint(await log.addCheckpoint(0, 100));
    // Whatever old size the liar claims: the notes are the proof, and the answer is that of the specification.
    expect(await witness.addCheckpoint(await fork.addCheckpoint(lie.size, 100))).toMatchObject(lie.answer);
    expect(alarms).toHaveLength(1);
    expect(await witness.evidence()).toEqual(alarms);
    for (const text of [alarms[0]?.first ?? '', alarms[0]?.second ?? '']) {
      const note = parseNote(text);
      expect(note && verifyNote(note, [log.key])).toEqual([log.key]);
    }
    expect((await witness.addCheckpoint(await log.addCheckpoint(100, 200))).status).toBe(403);
    expect(alarms).toHaveLength(1);
    store.states.set(ORIGIN, { ...(await store.load(ORIGIN)), frozen: false });
    expect((await witness.addCheckpoint(await log.addCheckpoint(100, 200))).status).toBe(200);
  });

  it('never goes back, whatever arrives at the same time, in one process or two', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ from: fc.nat({ max: 6 }), to: fc.nat({ max: 6 }), other: fc.boolean() }), {
          maxLength: 12,
        }),
        async (requests) => {
          const { log, store, witness, signer } = setup(60);
          const trust = trustOf({ ...EMPTY_POLICY, logs: [{ key: log.key, url: undefined }] }, () => false);
          const second = createWitness({ trust, store, clock: { now: () => NOW }, signer, onEquivocation: () => {} });
          let largest = 0;
          await Promise.all(
            requests.map(async ({ from, to, other }) => {
              const [low, high] = [Math.min(from, to) * 10, Math.max(from, to) * 10];
              const answer = await (other ? second : witness).addCheckpoint(await log.addCheckpoint(low, high));
              if (answer.status !== 200) return;
              // What is answered is durable and can only have grown since.
              expect(store.states.get(ORIGIN)?.size ?? 0).toBeGreaterThanOrEqual(high);
              largest = Math.max(largest, high);
            }),
          );
          expect(store.states.get(ORIGIN)?.size ?? 0).toBe(largest);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each(['before', 'after'] as const)('answers nothing when the store fails %s it has stored', async (fail) => {
    const { log, store, witness } = setup();
    store.fail = fail;
    await expect(witness.addCheckpoint(await log.addCheckpoint(0, 10))).rejects.toThrow('stored');
    store.fail = undefined;
    const answer = await witness.addCheckpoint(await log.addCheckpoint(0, 20));
    expect(answer).toMatchObject(fail === 'before' ? { status: 200 } : { status: 409, size: 10 });
  });
});
