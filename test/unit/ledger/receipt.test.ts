import { isUtf8 } from 'node:buffer';
import { sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readNoteKey } from '../../../src/ledger/independent-note.ts';
import { readTrustPolicy } from '../../../src/ledger/independent-policy.ts';
import { checkReceiptText, type ReceiptTrust } from '../../../src/ledger/independent-receipt.ts';
import { rootFromPath } from '../../../src/ledger/independent-tree.ts';
import { inclusionProof } from '../../../src/ledger/inclusion.ts';
import { cosign } from '../../../src/ledger/cosignature.ts';
import {
  formatSignatureLine,
  formatVkey,
  KEY_COSIGNATURE_V1,
  KEY_ED25519,
  parseVkey,
  verifierKey,
} from '../../../src/ledger/note.ts';
import { verifyProof } from '../../../src/ledger/proof.ts';
import { formatReceipt } from '../../../src/ledger/receipt.ts';
import { nodeEd25519 } from '../../../src/ledger/signature-check.ts';
import { leafEntry } from '../../../src/ledger/leaf.ts';
import { readTile, tileHashReader } from '../../../src/ledger/tile-source.ts';
import { documentSigner } from '../../../src/record/document.ts';
import { createHash } from 'node:crypto';
import { digestsOf, ed25519, MemoryLog, noteSigner, ORIGIN } from './support.ts';

const signKey = ed25519();
const sealed = 'eyJhbGciOiJBMjU2S1cifQ.a.b.c.d';
const digest = createHash('sha256').update(sealed).digest();
const document = documentSigner(signKey)({
  v: 1,
  typ: 'manifest',
  payloads: [{ digest: digest.toString('base64url'), size: sealed.length }],
  sealed: 'x',
});

async function made(leaf: number, size: number): Promise<{ text: string; log: MemoryLog; trust: ReceiptTrust }> {
  const log = new MemoryLog();
  const digests = digestsOf(size);
  digests[leaf] = document.digest;
  await log.append(digests);
  const read = tileHashReader(size, (level, at, width) => readTile(log, level, at, width));
  const hashes = await inclusionProof(read, leaf, size);
  const checkpoint = log.blocks[0].checkpoint;
  const contents = { document: document.bytes.toString('latin1'), payload: 0, sealed, line: 2 };
  const vkey = formatVkey(verifierKey(ORIGIN, KEY_ED25519, log.key.rawPublicKey));
  return {
    text: formatReceipt({ index: leaf, hashes, checkpoint }, contents),
    log,
    trust: { log: readNoteKey(vkey), sign: [signKey.rawPublicKey], cosigners: [] },
  };
}

const outcomes = (text: string, trust: ReceiptTrust, bytes?: Uint8Array): Record<string, string> =>
  Object.fromEntries(checkReceiptText(text, trust, nodeEd25519(), bytes).checks.map((c) => [c.check, c.outcome]));

const RIGHT = { inclusion: 'ok', checkpoint: 'ok', document: 'ok', signature: 'ok', payload: 'ok' };

describe('a receipt', () => {
  it('shows the whole path by the independent implementation, and is a tlog-proof to everybody else', async () => {
    const { text, log, trust } = await made(7, 300);
    expect(outcomes(text, trust)).toEqual(RIGHT);
    const vkey = verifierKey(ORIGIN, KEY_ED25519, log.key.rawPublicKey);
    expect(verifyProof(text, leafEntry(document.digest), vkey).valid).toBe(true);
    expect(checkReceiptText(text, trust, nodeEd25519()).contents).toMatchObject({ payload: 0, line: 2, sealed });
  });

  it('says what is not shown when keys are missing', async () => {
    const { text } = await made(0, 1);
    const nobody = { log: undefined, sign: [], cosigners: [] };
    expect(outcomes(text, nobody)).toEqual({ ...RIGHT, checkpoint: 'open', signature: 'open' });
  });

  it('is wrong for every change of it', async () => {
    const { text, trust } = await made(7, 300);
    const proof = text.split('\n');
    const replaced = (line: number, by: string): string => proof.map((old, at) => (at === line ? by : old)).join('\n');
    const contents = JSON.parse(Buffer.from(proof[1].slice(6), 'base64').toString());
    const carrying = (changes: object): string =>
      replaced(1, `extra ${Buffer.from(JSON.stringify({ ...contents, ...changes })).toString('base64')}`);
    expect(outcomes(replaced(2, 'index 8'), trust)).toMatchObject({ inclusion: 'wrong' });
    expect(outcomes(replaced(3, digest.toString('base64')), trust)).toMatchObject({ inclusion: 'wrong' });
    expect(outcomes(proof.filter((_, at) => at !== 4).join('\n'), trust)).toMatchObject({ inclusion: 'wrong' });
    expect(outcomes(text.replace('\n300\n', '\n301\n'), trust)).toMatchObject({ checkpoint: 'wrong' });
    expect(outcomes(carrying({ sealed: `${sealed}x` }), trust)).toMatchObject({ payload: 'wrong' });
    expect(outcomes(carrying({ payload: 1 }), trust)).toMatchObject({ payload: 'wrong' });
    expect(outcomes(carrying({ v: 2 }), trust)).toEqual({ form: 'wrong' });
    expect(outcomes(carrying({ payload: -1 }), trust)).toEqual({ form: 'wrong' });
    const other = documentSigner(ed25519())({ v: 1, typ: 'manifest', payloads: [], sealed: 'x' });
    expect(outcomes(carrying({ document: other.bytes.toString('latin1') }), trust)).toMatchObject({
      inclusion: 'wrong',
      signature: 'wrong',
    });
    expect(outcomes(text, { ...trust, sign: [ed25519().rawPublicKey] })).toMatchObject({ signature: 'wrong' });
    expect(outcomes(text, trust, other.bytes)).toMatchObject({ document: 'ok', inclusion: 'ok' });
    expect(checkReceiptText(text, trust, nodeEd25519(), other.bytes).checks[0]).toMatchObject({ outcome: 'wrong' });
    const stranger = readNoteKey(formatVkey(verifierKey(ORIGIN, KEY_ED25519, noteSigner(ORIGIN).rawPublicKey)));
    expect(outcomes(text, { ...trust, log: stranger })).toMatchObject({ checkpoint: 'wrong' });
    expect(outcomes('', trust)).toEqual({ form: 'wrong' });
  });

  it('counts cosignatures of the witnesses that are named', async () => {
    const { text, trust } = await made(7, 300);
    const witness = ed25519();
    const vkey = verifierKey('w.example', KEY_COSIGNATURE_V1, witness.rawPublicKey);
    const note = text.slice(text.indexOf('\n\n') + 2);
    const body = note.slice(0, note.lastIndexOf('\n\n') + 1);
    const head = Buffer.alloc(12);
    head.writeUInt32BE(vkey.id);
    head.writeBigUInt64BE(1_700_000_000n, 4);
    const signed = sign(null, Buffer.from(`cosignature/v1\ntime 1700000000\n${body}`), witness.privateKey);
    const line = `— w.example ${Buffer.concat([head, signed]).toString('base64')}\n`;
    const key = readNoteKey(formatVkey(vkey));
    const cosigners = key === undefined ? [] : [key];
    expect(outcomes(text + line, { ...trust, cosigners })).toEqual({ ...RIGHT, cosignatures: 'ok' });
    expect(outcomes(text, { ...trust, cosigners })).toEqual({ ...RIGHT, cosignatures: 'wrong' });
  });

  it('is right for no other bytes: each bit of it counts, but the number of the line, which is a pointer', async () => {
    const { text, log, trust } = await made(7, 300);
    const witness = ed25519();
    const vkey = verifierKey('w.example', KEY_COSIGNATURE_V1, witness.rawPublicKey);
    const note = text.slice(text.indexOf('\n\n') + 2);
    const line = formatSignatureLine(
      cosign(note.slice(0, note.lastIndexOf('\n\n') + 1), { name: 'w.example', ...witness }, 1_700_000_000),
    );
    const logVkey = formatVkey(verifierKey(ORIGIN, KEY_ED25519, log.key.rawPublicKey));
    const policy = readTrustPolicy(`log ${logVkey}\nwitness W ${formatVkey(vkey)}\nquorum W\n`);
    if (typeof policy === 'number') throw new Error(String(policy));
    const right = Buffer.from(text + line);
    const check = nodeEd25519();
    const isRight = (bytes: Buffer): boolean => {
      const { checks } = checkReceiptText(isUtf8(bytes) ? bytes.toString() : '', { ...trust, policy }, check);
      return checks.length === 6 && checks.every(({ outcome }) => outcome === 'ok');
    };
    expect(isRight(right)).toBe(true);
    // Base64 of the digit, with the bits of its neighbours: those must not change.
    const start = text.indexOf('extra ') + 'extra '.length;
    const json = Buffer.from(text.slice(start, text.indexOf('\n', start)), 'base64').toString();
    const pointer = json.indexOf('"line":2') + '"line":'.length;
    const accepted = new Set<number>();
    for (let at = 0; at < right.length; at += 1) {
      for (const mask of [1, 2, 4, 16, 32, 128]) {
        const changed = Buffer.from(right);
        changed[at] ^= mask;
        if (isRight(changed)) accepted.add(at);
      }
      if (isRight(Buffer.concat([right.subarray(0, at), right.subarray(at + 1)]))) accepted.add(at);
    }
    const places = [0, 1].map((n) => start + Math.floor((pointer * 8) / 6) + n);
    expect([...accepted].filter((at) => !places.includes(at))).toEqual([]);
  });

  it('with no document inside needs it from elsewhere', async () => {
    const { text, trust } = await made(7, 300);
    const plain = text
      .split('\n')
      .filter((line) => !line.startsWith('extra '))
      .join('\n');
    expect(outcomes(plain, trust)).toEqual({ inclusion: 'open', checkpoint: 'ok' });
    expect(outcomes(plain, trust, document.bytes)).toMatchObject({ inclusion: 'ok', signature: 'ok' });
  });
});

it('any text is read or refused, never thrown at', () => {
  const trust = { log: undefined, sign: [], cosigners: [] };
  fc.assert(fc.property(fc.string(), (text) => checkReceiptText(text, trust, nodeEd25519()).checks.length > 0));
  fc.assert(
    fc.property(fc.string(), (text) => {
      const document = `c2sp.org/tlog-proof@v1\nextra ${Buffer.from(text).toString('base64')}\nindex 0\n\n`;
      return checkReceiptText(document, trust, nodeEd25519()).checks[0].outcome === 'wrong';
    }),
  );
});

it('readNoteKey agrees with parseVkey', () => {
  const key = noteSigner('a.example/b');
  const vkey = formatVkey(verifierKey('a.example/b', KEY_ED25519, key.rawPublicKey));
  expect(readNoteKey(vkey)).toEqual({ name: 'a.example/b', type: 1, publicKey: parseVkey(vkey)?.publicKey });
  for (const bad of ['', vkey.slice(0, -1), vkey.replace('a.example', 'b.example'), 'a+b', `${vkey}+`]) {
    expect(readNoteKey(bad)).toBeUndefined();
  }
});

it('a path leads to the root at exactly its place', async () => {
  const log = new MemoryLog();
  await log.append(digestsOf(70));
  for (const size of [1, 2, 3, 7, 64, 70]) {
    const read = tileHashReader(size, (level, at, width) => readTile(log, level, at, width));
    const root = (await import('../../../src/ledger/independent-tree.ts')).recursiveRoot(
      log.all.slice(0, size).map((leaf) => independent(leaf)),
    );
    for (let index = 0; index < size; index += 1) {
      const path = await inclusionProof(read, index, size);
      const reached = (at: number): boolean =>
        Buffer.from(rootFromPath(at, size, independent(log.all[index]), path) ?? []).equals(root);
      expect(reached(index)).toBe(true);
      expect(reached((index + 1) % size)).toBe(size === 1);
      expect(rootFromPath(index, size, independent(log.all[index]), [...path, digest])).toBeUndefined();
    }
  }
});

function independent(digestOfDocument: Buffer): Buffer {
  return createHash('sha256')
    .update(Buffer.from([0, 1]))
    .update(digestOfDocument)
    .digest();
}
