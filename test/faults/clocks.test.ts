/**
 * Gateways whose clocks differ, jump ahead or are set back, on the real stores: what is accepted, up to when, and that a clock
 * which was wrong for a while shuts nobody out for ever.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PEER_CLOCK_SKEW_SECONDS } from '../../src/core/limits.ts';
import { formatVkey } from '../../src/ledger/note.ts';
import { encodeAddCheckpoint } from '../../src/ledger/witness-message.ts';
import { originHash } from '../../src/replication/trust.ts';
import { ownMember } from '../../src/replication/member.ts';
import { cosignatureTime, cosignerKey } from '../../src/ledger/cosignature.ts';
import { parseCheckpoint } from '../../src/ledger/checkpoint.ts';
import { signSuspension } from '../../src/replication/suspension.ts';
import { ed25519, noteSigner } from '../unit/ledger/support.ts';
import { TestLog } from '../unit/replication/support.ts';
import { memberToken, openPeerGateway, PEER_ORIGIN, type PeerGateway } from '../support/peer-gateway.ts';

const MINUTE = 60_000;
const SKEW = PEER_CLOCK_SKEW_SECONDS * 1000;
const log = new TestLog('far.example/anamnesis', 50);
const rotated = new TestLog('rotated.example/anamnesis', 50);
const issuer = noteSigner('judge.example/anamnesis/witness');
let peer: PeerGateway;
beforeAll(async () => {
  peer = await openPeerGateway({
    logs: [log.key, rotated.key],
    policy: `witness judge ${formatVkey(cosignerKey(issuer))}\nquorum judge`,
  });
});
afterAll(() => peer.close());

const status = async (of: TestLog, token: string): Promise<number> =>
  (await fetch(`${peer.url}/mirror/${originHash(of.origin)}/status`, { headers: { authorization: token } })).status;

describe('a member whose clock differs', () => {
  const signKey = ed25519();
  it.each([
    ['to the second', 0, 200],
    ['four minutes ahead', 4 * MINUTE, 200],
    ['four minutes behind', -4 * MINUTE, 200],
    ['seven minutes ahead', 7 * MINUTE, 401],
    ['seven minutes behind', -7 * MINUTE, 401],
    ['three hours ahead', 180 * MINUTE, 401],
    ['three hours behind', -180 * MINUTE, 401],
  ])('%s', async (_what, by, expected) => {
    expect(
      await status(
        log,
        memberToken(log.signer, signKey, () => Date.now() + by),
      ),
    ).toBe(expected);
  });

  it('is told what may be wrong', async () => {
    const answer = await fetch(`${peer.url}/mirror/${originHash(log.origin)}/status`, {
      headers: { authorization: memberToken(log.signer, signKey, () => Date.now() + 9 * MINUTE) },
    });
    expect(((await answer.json()) as { message: string }).message).toContain('at most a minute old');
  });

  it('signs checkpoints without a time: they are taken at any', async () => {
    const body = encodeAddCheckpoint(0, [], log.checkpoint(10));
    expect((await fetch(`${peer.url}/witness/add-checkpoint`, { method: 'POST', body })).status).toBe(200);
    const note = parseCheckpoint(
      await (await fetch(`${peer.url}/witness/${originHash(log.origin)}/checkpoint`)).text(),
    );
    const line = note?.note.signatures.find(({ name }) => name === peer.witnessKey.name);
    const at = cosignatureTime(line?.signature ?? Buffer.alloc(0)) ?? 0;
    // The time in a cosignature is the witness's own.
    expect(Math.abs(at - Date.now() / 1000)).toBeLessThan(120);
  });
});

describe('a member whose clock was wrong for a while', () => {
  it('is not shut out by the note that it signed then, and its new key counts', async () => {
    const [old, fresh] = [ed25519(), ed25519()];
    // Started with a clock of next year; set right while it runs: its tokens carry a note of today.
    let now = (): number => Date.now() + 365 * 24 * 60 * MINUTE;
    const running = ownMember({
      origin: rotated.origin,
      signKey: old,
      log: rotated.signer,
      clock: { now: () => now() },
    });
    const audience = PEER_ORIGIN;
    expect(await status(rotated, running.token(audience))).toBe(401);
    now = () => Date.now();
    expect(await status(rotated, running.token(audience))).toBe(200);
    // A note of the future with a token of now, as a thief of the old key would keep one.
    const future = ownMember({
      origin: rotated.origin,
      signKey: old,
      log: rotated.signer,
      clock: { now: () => Date.now() + 20 * MINUTE },
    }).token(audience);
    expect(await status(rotated, future)).toBe(401);
    expect(
      await status(
        rotated,
        memberToken(rotated.signer, fresh, () => Date.now() + 2 * MINUTE),
      ),
    ).toBe(200);
    expect(await status(rotated, running.token(audience))).toBe(401);
  });
});

describe('a suspension', () => {
  const say = async (issued: number, suspended: boolean): Promise<number> =>
    (
      await fetch(`${peer.url}/ledger/suspensions`, {
        method: 'POST',
        body: signSuspension({ subject: log.origin, issued, suspended }, issuer),
      })
    ).status;
  const submitted = async (): Promise<number> =>
    (
      await fetch(`${peer.url}/witness/add-checkpoint`, {
        method: 'POST',
        body: encodeAddCheckpoint(10, [], log.checkpoint(10)),
      })
    ).status;

  it('of the future is refused, one within the skew is in force, and one said later takes it back', async () => {
    const now = Date.now();
    expect(await say(now + SKEW + 5 * MINUTE, true)).toBe(422);
    expect(await submitted()).toBe(200);
    expect(await say(now + SKEW - MINUTE, true)).toBe(200);
    expect(await submitted()).toBe(403);
    // Dated before, however late it comes: the later one counts.
    expect(await say(now, false)).toBe(200);
    expect(await submitted()).toBe(403);
    expect(await say(now + SKEW - MINUTE + 1, false)).toBe(200);
    expect(await submitted()).toBe(200);
  });
});
