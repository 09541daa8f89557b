import { describe, expect, it } from 'vitest';
import { inclusionProof } from '../../../src/ledger/inclusion.ts';
import { leafEntry } from '../../../src/ledger/leaf.ts';
import { KEY_ED25519, verifierKey } from '../../../src/ledger/note.ts';
import { formatProof, parseProof, verifyProof } from '../../../src/ledger/proof.ts';
import { readTile, tileHashReader } from '../../../src/ledger/tile-source.ts';
import { digestsOf, MemoryLog, noteSigner, ORIGIN } from './support.ts';

async function receiptOf(log: MemoryLog, index: number): Promise<string> {
  const read = tileHashReader(log.size, (level, at, width) => readTile(log, level, at, width));
  const checkpoint = log.blocks[log.blocks.length - 1].checkpoint;
  return formatProof({ index, hashes: await inclusionProof(read, index, log.size), checkpoint });
}

describe('tlog-proof', () => {
  it('verifies offline, and not for another entry, key, origin or root', async () => {
    const log = new MemoryLog();
    await log.append(digestsOf(300));
    const vkey = verifierKey(ORIGIN, KEY_ED25519, log.key.rawPublicKey);
    const text = await receiptOf(log, 7);
    const entry = leafEntry(log.all[7]);
    const outcome = verifyProof(text, entry, vkey);
    expect(outcome).toMatchObject({ valid: true, index: 7, signedBy: [ORIGIN] });
    expect(text.split('\n').slice(0, 2)).toEqual(['c2sp.org/tlog-proof@v1', 'index 7']);
    expect(verifyProof(text, leafEntry(log.all[8]), vkey)).toEqual({ valid: false, reason: 'inclusion' });
    expect(verifyProof(text.replace('index 7', 'index 8'), entry, vkey)).toEqual({ valid: false, reason: 'inclusion' });
    const stranger = verifierKey(ORIGIN, KEY_ED25519, noteSigner(ORIGIN).rawPublicKey);
    expect(verifyProof(text, entry, stranger)).toEqual({ valid: false, reason: 'signature' });
    const other = verifierKey('other.example', KEY_ED25519, log.key.rawPublicKey);
    expect(verifyProof(text, entry, other)).toEqual({ valid: false, reason: 'origin' });
    expect(verifyProof(text.replace('\n300\n', '\n301\n'), entry, vkey)).toEqual({ valid: false, reason: 'signature' });
    expect(verifyProof('x', entry, vkey)).toEqual({ valid: false, reason: 'malformed' });
  });

  it('has no hashes in a tree of one leaf, and carries extra bytes', async () => {
    const log = new MemoryLog();
    await log.append(digestsOf(1));
    const vkey = verifierKey(ORIGIN, KEY_ED25519, log.key.rawPublicKey);
    const text = await receiptOf(log, 0);
    expect(verifyProof(text, leafEntry(log.all[0]), vkey).valid).toBe(true);
    const proof = parseProof(text);
    const withExtra = formatProof({ ...proof!, extra: Buffer.from('more') });
    expect(parseProof(withExtra)?.extra?.toString()).toBe('more');
    expect(verifyProof(withExtra, leafEntry(log.all[0]), vkey).valid).toBe(true);
  });

  it('refuses malformed texts', () => {
    const head = 'c2sp.org/tlog-proof@v1\n';
    const wrong = [
      '',
      head,
      `${head}index 1\n`,
      `${head}\n\n`,
      `${head}index 01\n\nx`,
      `${head}index 1\nAAAA\n\nx`,
      `${head}extra *\nindex 1\n\nx`,
      `x${head}index 1\n\nx`,
    ];
    expect(wrong.filter((text) => parseProof(text) !== undefined)).toEqual([]);
  });
});
