import { sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatNote,
  formatVkey,
  KEY_COSIGNATURE_V1,
  KEY_ED25519,
  parseNote,
  parseVkey,
  signNote,
  verifierKey,
  verifyNote,
} from '../../../src/ledger/note.ts';
import { u64be } from '../../../src/core/bytes.ts';
import { noteSigner } from './support.ts';

const VKEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
const NOTE =
  'This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n';

function parsed(text: string): NonNullable<ReturnType<typeof parseNote>> {
  const note = parseNote(text);
  if (note === undefined) throw new Error('the note does not parse');
  return note;
}

const key = (vkey: string): NonNullable<ReturnType<typeof parseVkey>> => {
  const found = parseVkey(vkey);
  if (found === undefined) throw new Error('the vkey does not parse');
  return found;
};

describe('signed note', () => {
  it('verifies the vector of the specification', () => {
    expect(formatVkey(key(VKEY))).toBe(VKEY);
    expect(formatNote(parsed(NOTE))).toBe(NOTE);
    expect(verifyNote(parsed(NOTE), [key(VKEY)])).toEqual([key(VKEY)]);
    expect(verifyNote(parsed(NOTE.replace('example message', 'exemple message')), [key(VKEY)])).toBeUndefined();
  });

  it('signs what it verifies', () => {
    const signer = noteSigner('log.example/a');
    const vkey = verifierKey(signer.name, KEY_ED25519, signer.rawPublicKey);
    const text = fc.string({ unit: 'grapheme' }).filter((s) => !/\p{Cc}|\p{Cs}/u.test(s));
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 5 }), (lines) => {
        const note = signNote(`${lines.join('\n')}\n`, signer);
        expect(verifyNote(parsed(note), [vkey])).toEqual([vkey]);
        expect(formatNote(parsed(note))).toBe(note);
      }),
    );
    expect(() => signNote('no newline', signer)).toThrow(RangeError);
    expect(() => signNote('tab\t\n', signer)).toThrow(RangeError);
    expect(() => signNote('a\n', { ...signer, name: 'with space' })).toThrow(RangeError);
  });

  it('ignores unknown keys, rejects a known key with a bad signature, needs one good signature', () => {
    const [a, b] = [noteSigner('a.example'), noteSigner('b.example')];
    const [keyA, keyB] = [a, b].map((s) => verifierKey(s.name, KEY_ED25519, s.rawPublicKey));
    const noteA = parsed(signNote('text\n', a));
    const noteB = parsed(signNote('text\n', b));
    const both = { text: 'text\n', signatures: [...noteA.signatures, ...noteB.signatures] };
    expect(verifyNote(both, [keyB])).toEqual([keyB]);
    expect(verifyNote(both, [keyA, keyB])).toEqual([keyA, keyB]);
    expect(verifyNote(noteA, [keyB])).toBeUndefined();
    expect(verifyNote(noteA, [])).toBeUndefined();
    const forged = { ...noteB.signatures[0], signature: Buffer.alloc(64) };
    expect(verifyNote({ ...both, signatures: [noteA.signatures[0], forged] }, [keyA, keyB])).toBeUndefined();
    expect(verifyNote({ ...both, signatures: [noteA.signatures[0], forged] }, [keyA])).toEqual([keyA]);
    const short = { ...noteA.signatures[0], signature: Buffer.alloc(63) };
    expect(verifyNote({ ...both, signatures: [short] }, [keyA])).toBeUndefined();
  });

  it('verifies a cosignature with its time', () => {
    const witness = noteSigner('witness.example');
    const vkey = verifierKey(witness.name, KEY_COSIGNATURE_V1, witness.rawPublicKey);
    const text = 'origin\n0\nroot\n';
    const message = Buffer.from(`cosignature/v1\ntime 1700000000\n${text}`);
    const signature = Buffer.concat([u64be(1_700_000_000), sign(null, message, witness.privateKey)]);
    expect(verifyNote({ text, signatures: [{ ...vkey, signature }] }, [vkey])).toEqual([vkey]);
    const later = Buffer.concat([u64be(1_700_000_001), signature.subarray(8)]);
    expect(verifyNote({ text, signatures: [{ ...vkey, signature: later }] }, [vkey])).toBeUndefined();
  });

  it('accepts sixteen signatures and more, and treats keys of later types as data', () => {
    const signers = Array.from({ length: 20 }, (_, i) => noteSigner(`s${i}.example`));
    const signatures = signers.flatMap((s) => parsed(signNote('t\n', s)).signatures);
    const note = parsed(formatNote({ text: 't\n', signatures }));
    const keys = signers.map((s) => verifierKey(s.name, KEY_ED25519, s.rawPublicKey));
    expect(verifyNote(note, keys)?.length).toBe(20);
    const mlDsa = verifierKey('pq.example', 0x06, Buffer.alloc(1312, 1));
    expect(parseVkey(formatVkey(mlDsa))).toEqual(mlDsa);
    expect(
      verifyNote({ text: 't\n', signatures: [{ ...mlDsa, signature: Buffer.alloc(2428) }] }, [mlDsa]),
    ).toBeUndefined();
  });

  it('refuses malformed notes', () => {
    const line = NOTE.slice(NOTE.indexOf('—'));
    const wrong = [
      '',
      '\n',
      'text',
      'text\n',
      'text\n\n',
      `text\n${line}`,
      NOTE.slice(0, -1),
      `${NOTE}\n`,
      `a\tb\n\n${line}`,
      `a\r\n\n${line}`,
      `a\u0000\n\n${line}`,
      `a\n\n-${line.slice(1)}`,
      `a\n\n— x+y AAAAAAA=\n`,
      `a\n\n— x AAAA\n`,
      `a\n\n— x AAAAAAA\n`,
      `a\n\n— x  AAAAAAA=\n`,
      `a\n\n— x AAAAAAB=\n`,
      `a\ud800\n\n${line}`,
      `a\n\n—  AAAAAAA=\n`,
      `a\n\n${line.repeat(101)}`,
    ];
    expect(wrong.filter((text) => parseNote(text) !== undefined)).toEqual([]);
    // The last empty line separates: a text may have empty lines.
    expect(parseNote(`a\n\nb\n\n${line}`)?.text).toBe('a\n\nb\n');
  });

  it('refuses malformed vkeys', () => {
    const wrong = [
      '',
      'x',
      VKEY.replace('530d903a', '530d903b'),
      VKEY.replace('530d903a', '530D903A'),
      VKEY.slice(0, -1),
      VKEY.replace('example.com/foo', 'example.com/ foo'),
      `+${VKEY}`,
      VKEY.replace('+530d903a', ''),
    ];
    expect(wrong.filter((text) => parseVkey(text) !== undefined)).toEqual([]);
  });
});
