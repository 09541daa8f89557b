import { describe, expect, it } from 'vitest';
import { blockFaults, nextBlock, type Block } from '../../../src/ledger/block.ts';
import {
  checkpointText,
  parseCheckpoint,
  parseCheckpointText,
  signCheckpoint,
} from '../../../src/ledger/checkpoint.ts';
import { EMPTY_ROOT } from '../../../src/ledger/merkle.ts';
import { KEY_ED25519, verifierKey, verifyNote } from '../../../src/ledger/note.ts';
import { digestsOf, MemoryLog, noteSigner, ORIGIN } from './support.ts';

describe('checkpoint', () => {
  it('is origin, size and root in a signed note', () => {
    const key = noteSigner(ORIGIN);
    const text = signCheckpoint(ORIGIN, 0, EMPTY_ROOT, key);
    expect(text.startsWith(`${ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— ${ORIGIN} `)).toBe(true);
    const parsed = parseCheckpoint(text);
    expect(parsed?.checkpoint).toEqual({ origin: ORIGIN, size: 0, root: EMPTY_ROOT, extensions: [] });
    const vkey = verifierKey(ORIGIN, KEY_ED25519, key.rawPublicKey);
    expect(parsed && verifyNote(parsed.note, [vkey])).toEqual([vkey]);
  });

  it('refuses malformed texts and keeps extension lines', () => {
    const root = EMPTY_ROOT.toString('base64');
    const wrong = [
      '',
      '\n',
      `o\n1\n${root}`,
      `o\n01\n${root}\n`,
      `o\n-1\n${root}\n`,
      `o\n1.0\n${root}\n`,
      `\n1\n${root}\n`,
      `o\n1\n${root.slice(4)}\n`,
      `o\n1\n${root.slice(0, -1)}\n`,
      `o\n9007199254740992\n${root}\n`,
      `o\n1\n`,
      `o\n\n${root}\n`,
      `o\n99999999999999999999\n${root}\n`,
      `o\n1\n${root}\n\n`,
      `o\n1e3\n${root}\n`,
    ];
    expect(wrong.filter((text) => parseCheckpointText(text) !== undefined)).toEqual([]);
    expect(parseCheckpointText(`o\n1\n${root}\nmore\n`)?.extensions).toEqual(['more']);
    expect(() => checkpointText('two words', 1, EMPTY_ROOT)).toThrow(RangeError);
    expect(() => checkpointText('o', -1, EMPTY_ROOT)).toThrow(RangeError);
    expect(() => checkpointText('o', 1, Buffer.alloc(31))).toThrow(RangeError);
  });
});

describe('block chain', () => {
  it('links each block to the checkpoint before it, and names each kind of fault', async () => {
    const log = new MemoryLog();
    for (const count of [3, 1, 5]) await log.append(digestsOf(count, log.size));
    const [first, second] = log.blocks;
    expect(log.blocks.map(({ number, firstLeaf, size }) => [number, firstLeaf, size])).toEqual([
      [0, 0, 3],
      [1, 3, 4],
      [2, 4, 9],
    ]);
    expect(log.blocks.map((block, at) => blockFaults(log.blocks[at - 1], block, ORIGIN))).toEqual([[], [], []]);
    const faults = (changes: Partial<Block>): string[] => blockFaults(first, { ...second, ...changes }, ORIGIN);
    expect(faults({ number: 2 })).toEqual(['number']);
    expect(faults({ firstLeaf: 2 })).toEqual(['first-leaf']);
    expect(faults({ prev: Buffer.alloc(32) })).toEqual(['prev']);
    expect(faults({ prev: Buffer.alloc(3) })).toEqual(['prev']);
    expect(faults({ checkpoint: 'x' })).toEqual(['checkpoint-malformed']);
    expect(faults({ root: Buffer.alloc(32) })).toEqual(['checkpoint-mismatch']);
    expect(faults({ size: 3 })).toEqual(['size', 'checkpoint-mismatch']);
    expect(blockFaults(first, second, 'other.example')).toEqual(['checkpoint-mismatch']);
    expect(nextBlock(undefined, 3, first.root, first.checkpoint)).toEqual(first);
  });
});
