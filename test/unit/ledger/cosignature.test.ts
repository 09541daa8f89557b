import { createPrivateKey, createPublicKey } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cosign, cosignatureTime, cosignerKey } from '../../../src/ledger/cosignature.ts';
import { formatNote, formatVkey, parseNote, verifyNote } from '../../../src/ledger/note.ts';
import { noteSigner } from './support.ts';

/** RFC 8032 section 7.1, test 1. */
const SEED = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60';
const fixed = createPrivateKey({
  key: Buffer.from(`302e020100300506032b657004220420${SEED}`, 'hex'),
  format: 'der',
  type: 'pkcs8',
});
const rawPublicKey = Buffer.from(createPublicKey(fixed).export({ format: 'jwk' }).x ?? '', 'base64url');

describe('cosignature/v1', () => {
  it('is the time and the signature of the bytes that the specification names', () => {
    const text = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';
    const line = cosign(text, { name: 'witness.example/w1', privateKey: fixed, rawPublicKey }, 1_679_315_147);
    expect(line.signature.subarray(0, 8).toString('hex')).toBe('00000000641850cb');
    // Ed25519 is deterministic: made once with OpenSSL over "cosignature/v1\ntime 1679315147\n" and the text.
    expect(line.signature.subarray(8).toString('base64')).toBe(
      '+TPmh4BYuAjsYRoqMJCWb/gWJaeRF/kmm5tlCr9sJ57DLErur7K0yDXc2ArN+TIuotuB/HbuL3AJsp3bv/aNCQ==',
    );
    expect(cosignatureTime(line.signature)).toBe(1_679_315_147);
    expect(formatVkey(cosignerKey({ name: 'witness.example/w1', rawPublicKey }))).toMatch(
      /^witness\.example\/w1\+[0-9a-f]{8}\+BN/,
    );
  });

  it('verifies, and only over this text at this time', () => {
    const signer = noteSigner('witness.example/w');
    const key = cosignerKey(signer);
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 2 ** 31 }), (size, time) => {
        const text = `log.example\n${size}\nroot\n`;
        const line = cosign(text, signer, time);
        const note = parseNote(formatNote({ text, signatures: [line] }));
        expect(note && verifyNote(note, [key])).toEqual([key]);
        expect(verifyNote({ text: `${text}x\n`, signatures: [line] }, [key])).toBeUndefined();
        const later = Buffer.from(line.signature);
        later.writeBigUInt64BE(BigInt(time + 1));
        expect(verifyNote({ text, signatures: [{ ...line, signature: later }] }, [key])).toBeUndefined();
      }),
      { numRuns: 50 },
    );
  });

  it('has no time in other bytes', () => {
    expect(cosignatureTime(Buffer.alloc(64))).toBeUndefined();
    expect(cosignatureTime(Buffer.alloc(72, 0xff))).toBeUndefined();
  });
});
