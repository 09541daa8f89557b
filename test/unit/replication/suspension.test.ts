import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cosignerKey } from '../../../src/ledger/cosignature.ts';
import { formatVkey, signNote } from '../../../src/ledger/note.ts';
import { parsePolicy, type Policy } from '../../../src/ledger/policy.ts';
import {
  newestStatements,
  readSuspension,
  signSuspension,
  suspendedOrigins,
  verifySuspension,
} from '../../../src/replication/suspension.ts';
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
        const statement = { issuer: signer.name, subject: BAD, issued, suspended };
        expect(verifySuspension(note, keys)).toEqual({ statement, note });
        expect(readSuspension(note)).toEqual(statement);
        // What others have added is not kept: it could be read as theirs later.
        const added = `${note}— b.example/witness ${Buffer.alloc(68).toString('base64')}\n`;
        expect(verifySuspension(added, keys)?.note).toBe(note);
        expect(readSuspension(added)).toBeUndefined();
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

  it('counts by the last word of each issuer about each subject, whatever the order', () => {
    const word = fc.record({
      issuer: fc.constantFrom('a', 'b'),
      subject: fc.constantFrom('x', 'y'),
      issued: fc.nat({ max: 5 }),
      suspended: fc.boolean(),
    });
    const key = ({ issuer, subject }: { issuer: string; subject: string }): string => issuer + subject;
    fc.assert(
      fc.property(fc.uniqueArray(word, { selector: (one) => `${key(one)}${one.issued}` }), (words) => {
        const newest = newestStatements(words);
        expect(new Set(newest.map(key))).toEqual(new Set(words.map(key)));
        for (const one of words) {
          const last = newest.find((other) => key(other) === key(one));
          expect(last?.issued).toBeGreaterThanOrEqual(one.issued);
        }
        expect(new Set(newestStatements(words.toReversed()))).toEqual(new Set(newest));
      }),
    );
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
