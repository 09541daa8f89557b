import { describe, expect, it } from 'vitest';
import {
  ownMember,
  peerAuthenticator,
  type MemberStore,
  type PeerAuthenticator,
} from '../../../src/replication/member.ts';
import { trustOf } from '../../../src/replication/trust.ts';
import { KEY_ED25519, verifierKey } from '../../../src/ledger/note.ts';
import { EMPTY_POLICY } from '../../../src/ledger/policy.ts';
import { ed25519, noteSigner } from '../ledger/support.ts';

const A = 'a.example/anamnesis';
const B = 'b.example/anamnesis';

class MemoryMembers implements MemberStore {
  readonly notes = new Map<string, { issued: number; note: string }>();
  async newest(origin: string): Promise<{ issued: number; note: string } | undefined> {
    return this.notes.get(origin);
  }
  async keep(origin: string, issued: number, note: string): Promise<void> {
    if ((this.notes.get(origin)?.issued ?? -1) < issued) this.notes.set(origin, { issued, note });
  }
}

const log = noteSigner(A);
const key = verifierKey(A, KEY_ED25519, log.rawPublicKey);
const time = { now: 1_800_000_000_000 };
const clock = { now: () => time.now };

function setup(): { authenticate: PeerAuthenticator; suspended: Set<string> } {
  const suspended = new Set<string>();
  const trust = trustOf({ ...EMPTY_POLICY, logs: [{ key, url: undefined }] }, (origin) => suspended.has(origin));
  return { authenticate: peerAuthenticator({ origin: B, trust, members: new MemoryMembers(), clock }), suspended };
}

describe('tokens of member gateways', () => {
  it('say who asks, to the gateway they are for, for a minute', async () => {
    const { authenticate } = setup();
    const member = ownMember({ origin: A, signKey: ed25519(), log, clock });
    expect(await authenticate(member.token(B))).toBe(A);
    await expect(authenticate(member.token('c.example/anamnesis'))).rejects.toMatchObject({ code: 'unauthenticated' });
    const old = member.token(B);
    time.now += 61_000 + 300_000;
    await expect(authenticate(old)).rejects.toMatchObject({ code: 'unauthenticated' });
    time.now -= 61_000 + 300_000;
  });

  it('are refused in every other form', async () => {
    const { authenticate } = setup();
    const token = ownMember({ origin: A, signKey: ed25519(), log, clock }).token(B);
    const [head = '', body = '', signature = ''] = token.slice('Bearer '.length).split('.');
    const none = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(head, 'base64url').toString()), alg: 'none' }));
    const other = Buffer.from(
      JSON.stringify({ iss: 'c.example/anamnesis', aud: B, iat: 1_800_000_000, exp: 1_800_000_060 }),
    );
    for (const wrong of [
      undefined,
      '',
      'Bearer',
      `Basic ${head}.${body}.${signature}`,
      `Bearer ${head}.${body}.`,
      `Bearer ${head}.${body}.${'A'.repeat(86)}`,
      `Bearer ${none.toString('base64url')}.${body}.${signature}`,
      `Bearer ${head}.${other.toString('base64url')}.${signature}`,
      `Bearer ${'A'.repeat(10_000)}.${body}.${signature}`,
    ]) {
      await expect(authenticate(wrong)).rejects.toMatchObject({ code: 'unauthenticated' });
    }
    const stranger = ownMember({ origin: A, signKey: ed25519(), log: noteSigner(A), clock });
    await expect(authenticate(stranger.token(B))).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('follow the rotation of the sign key, within a second too: the old key ends with the first request of the new one', async () => {
    const { authenticate } = setup();
    const signKey = ed25519();
    const first = ownMember({ origin: A, signKey, log, clock });
    expect(await authenticate(first.token(B))).toBe(A);
    time.now += 5_000;
    // Another process of the same gateway, started later, with the same key.
    const beside = ownMember({ origin: A, signKey, log, clock });
    expect(await authenticate(beside.token(B))).toBe(A);
    expect(await authenticate(first.token(B))).toBe(A);
    time.now += 1;
    const rotated = ownMember({ origin: A, signKey: ed25519(), log, clock });
    expect(await authenticate(rotated.token(B))).toBe(A);
    await expect(authenticate(first.token(B))).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(authenticate(beside.token(B))).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(await authenticate(rotated.token(B))).toBe(A);
  });

  it('end with a suspension, on the next request', async () => {
    const { authenticate, suspended } = setup();
    const member = ownMember({ origin: A, signKey: ed25519(), log, clock });
    expect(await authenticate(member.token(B))).toBe(A);
    suspended.add(A);
    await expect(authenticate(member.token(B))).rejects.toMatchObject({ code: 'forbidden' });
    suspended.delete(A);
    expect(await authenticate(member.token(B))).toBe(A);
  });
});
