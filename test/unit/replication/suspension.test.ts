import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cosignerKey } from '../../../src/ledger/cosignature.ts';
import { formatVkey, signNote } from '../../../src/ledger/note.ts';
import { parsePolicy, type Policy } from '../../../src/ledger/policy.ts';
import { signSuspension, suspendedOrigins, verifySuspension } from '../../../src/replication/suspension.ts';
import { noteSigner } from '../ledger/support.ts';

const witnesses = ['a', 'b', 'c'].map((name) => noteSigner(`${name}.example/witness`));
const mirror = noteSigner('a.example/mirror');
const keys = witnesses.map(cosignerKey);
const BAD = 'bad.example/anamnesis';
const OWN = 'own.example/witness';

function policy(threshold: number): Policy {
  const lines = witnesses.map((signer, i) => `witness w${i} ${formatVkey(cosignerKey(signer))}`);
  const text = `${lines.join('\n')}\nwitness m ${formatVkey(cosignerKey(mirror))}\ngroup mirrors any m\ngroup ws ${threshold} w0 w1 w2\ngroup all all mirrors ws\nquorum all\n`;
  const parsed = parsePolicy(Buffer.from(text));
  if ('errors' in parsed) throw new Error(parsed.errors.join());
  return parsed.policy;
}

const said = (by: readonly number[], suspended = true) =>
  by.map((i) => ({ issuer: witnesses[i]?.name ?? '', subject: BAD, issued: 1, suspended }));

describe('suspension', () => {
  it('is read as it was signed, and by nobody else', () => {
    const [signer] = witnesses;
    if (signer === undefined) throw new Error('no signer');
    fc.assert(
      fc.property(fc.nat(), fc.boolean(), (issued, suspended) => {
        const note = signSuspension({ subject: BAD, issued, suspended }, signer);
        expect(verifySuspension(note, keys)).toEqual({ issuer: signer.name, subject: BAD, issued, suspended });
        expect(verifySuspension(note, keys.slice(1))).toBeUndefined();
        expect(verifySuspension(note.replace(BAD, 'good.example/anamnesis'), keys)).toBeUndefined();
      }),
    );
    for (const text of [
      'x\n',
      `anamnesis suspension v1\n${BAD}\n1\nforgive\n`,
      `anamnesis suspension v1\n${BAD}\n01\nsuspend\n`,
    ]) {
      expect(verifySuspension(signNote(text, signer), keys)).toBeUndefined();
    }
  });

  it('takes effect where k of n witnesses stand behind it, or the own word', () => {
    const rule = policy(2);
    expect([...suspendedOrigins(rule, OWN, said([0]))]).toEqual([]);
    expect([...suspendedOrigins(rule, OWN, said([0, 2]))]).toEqual([BAD]);
    expect([...suspendedOrigins(rule, OWN, [...said([0]), ...said([2], false)])]).toEqual([]);
    expect([...suspendedOrigins(rule, witnesses[0]?.name ?? '', said([0]))]).toEqual([BAD]);
    const none = parsePolicy(Buffer.from('quorum none\n'));
    if ('errors' in none) throw new Error('no policy');
    expect([...suspendedOrigins(none.policy, OWN, said([0, 1, 2]))]).toEqual([]);
  });
});
