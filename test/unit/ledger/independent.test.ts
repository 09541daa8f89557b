import { generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { readCheckpoint } from '../../../src/ledger/independent-note.ts';
import { IndependentTree, independentLeafHash, recursiveRoot } from '../../../src/ledger/independent-tree.ts';
import { leafEntry } from '../../../src/ledger/leaf.ts';
import { appendLeaves, encodeCompactRange, leafHash } from '../../../src/ledger/merkle.ts';
import { nobleEd25519, nodeEd25519 } from '../../../src/ledger/signature-check.ts';
import { naiveRoot } from './naive-tree.ts';
import { digestsOf, noteSigner, ORIGIN } from './support.ts';

describe('the independent implementation', () => {
  it('imports nothing of the one it checks', () => {
    const files = ['independent-tree', 'independent-note', 'signature-check', 'verify'];
    const imports = files.flatMap((file) => {
      const text = readFileSync(new URL(`../../../src/ledger/${file}.ts`, import.meta.url), 'utf8');
      return [...text.matchAll(/^import (?!type ).* from '(\..*)';$/gm)].map((match) => match[1]);
    });
    expect(imports.sort()).toEqual(['./independent-note.ts']);
  });

  it('has the same trees', () => {
    const digests = digestsOf(600);
    const hashes = digests.map((digest) => leafHash(leafEntry(digest)));
    expect(digests.map((digest) => Buffer.from(independentLeafHash(digest)))).toEqual(hashes);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 90 }), { maxLength: 6 }), (batches) => {
        const tree = new IndependentTree();
        for (const batch of batches) {
          for (let i = 0; i < batch; i += 1) tree.push(hashes[tree.size]);
          const leaves = hashes.slice(0, tree.size);
          const { range, root } = appendLeaves(0, [], leaves);
          expect(Buffer.from(tree.root())).toEqual(root);
          expect(Buffer.from(recursiveRoot(leaves))).toEqual(naiveRoot(leaves));
          expect(Buffer.from(tree.compact())).toEqual(encodeCompactRange(range));
        }
      }),
    );
  });

  it('forgets what is below complete subtrees', () => {
    const tree = new IndependentTree();
    const [hash] = digestsOf(1);
    for (let i = 0; i < 3000; i += 1) {
      tree.push(hash);
      tree.root();
    }
    expect(Reflect.get(tree, 'known').size).toBeLessThan(13);
    const copy = new IndependentTree(tree);
    copy.push(hash);
    expect(tree.size).toBe(3000);
    expect(Buffer.from(tree.root())).not.toEqual(Buffer.from(copy.root()));
  });

  it('reads and checks the same checkpoints, by both libraries', () => {
    const key = noteSigner(ORIGIN);
    const root = digestsOf(1)[0];
    const note = signCheckpoint(ORIGIN, 12, root, key);
    for (const check of [nobleEd25519, nodeEd25519()]) {
      const read = (text: string, pub = key.rawPublicKey): unknown => readCheckpoint(text, ORIGIN, pub, check);
      expect(read(note)).toEqual({ origin: ORIGIN, size: 12, root, signed: true });
      expect(read(note.replace('\n12\n', '\n13\n'))).toMatchObject({ size: 13, signed: false });
      expect(read(note, noteSigner(ORIGIN).rawPublicKey)).toMatchObject({ signed: false });
      expect(read(note.replace('\n12\n', '\n012\n'))).toBeUndefined();
      expect(read(note.slice(0, -1))).toBeUndefined();
      expect(read('')).toBeUndefined();
      expect(read(note.replace('—', '-'))).toBeUndefined();
    }
  });

  it('agrees with node:crypto about signatures', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
    const node = nodeEd25519();
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(511), fc.boolean(), (message, bit, change) => {
        const signature = sign(null, message, privateKey);
        if (change) signature[bit >> 3] ^= 1 << (bit & 7);
        expect(node(signature, message, raw)).toBe(!change);
        expect(nobleEd25519(signature, message, raw)).toBe(!change);
      }),
      { numRuns: 30 },
    );
    expect(node(Buffer.alloc(3), raw, raw)).toBe(false);
    expect(nobleEd25519(Buffer.alloc(3), raw, raw)).toBe(false);
    expect(node(Buffer.alloc(64), raw, Buffer.alloc(31))).toBe(false);
    expect(nobleEd25519(Buffer.alloc(64), raw, Buffer.alloc(32, 255))).toBe(false);
  });
});
