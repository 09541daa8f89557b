/** The two readers of policy files share no code: on any file they must say the same. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cosignerKey } from '../../../src/ledger/cosignature.ts';
import { readTrustPolicy } from '../../../src/ledger/independent-policy.ts';
import { formatVkey, KEY_ED25519, verifierKey } from '../../../src/ledger/note.ts';
import { isSatisfied, parsePolicy } from '../../../src/ledger/policy.ts';
import { noteSigner } from './support.ts';

const witnesses = ['a', 'b', 'c', 'd'].map((name) => formatVkey(cosignerKey(noteSigner(`${name}.example/witness`))));
const signer = noteSigner('log.example/a');
const log = formatVkey(verifierKey(signer.name, KEY_ED25519, signer.rawPublicKey));

/** A cosigner with a key of a type that nothing here verifies yet. */
const mlDsa = formatVkey(verifierKey('q.example', 0x06, Buffer.alloc(1312, 3)));

const good = [
  `log ${log} https://log.example/a`,
  ...witnesses.map((vkey, i) => `witness W${i} ${vkey} https://w${i}.example`),
  'group G any W0 W1',
  'group H all G W2',
  '# a comment',
  '\t ',
];
const odd = [
  `log ${log}`,
  `log ${witnesses[0]}`,
  `witness W0 ${witnesses[3]}`,
  `witness none ${witnesses[3]}`,
  `witness X ${log}`,
  'group I 2 W0 W2 W3',
  'group H 2 G W3',
  'group I 3 G H',
  'group J any none',
  'group K 0 W3',
  'group W0 any W1',
  'group L any',
  'quorum W2 W3',
  'quorum none',
  'peer W0',
  `witness Q ${mlDsa} https://münchen.example`,
  'group M any W3 \u007f',
  'quorum W2\r',
];

describe('the second reader of tlog-policy', () => {
  it('accepts, refuses and counts as the first one does', () => {
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.subarray(good, { minLength: 4 }),
        fc.subarray(odd, { maxLength: 2 }),
        fc.constantFrom('none', 'G', 'H', 'I', 'W2', 'Z'),
        fc.subarray(['W0', 'W1', 'W2', 'W3']),
        (lines, odds, quorum, signed) => {
          const chosen = [...lines, ...odds, `quorum ${quorum}`];
          // A name is defined before it is used in most files, or nearly all would be refused.
          const file = chosen.toSorted((a, b) => rank(a) - rank(b)).join('\n');
          const [first, second] = [parsePolicy(Buffer.from(`${file}\n`)), readTrustPolicy(`${file}\n`)];
          expect(typeof second === 'number').toBe('errors' in first);
          if (typeof second === 'number' || 'errors' in first) return;
          accepted += 1;
          const { policy } = first;
          expect(second.logs).toHaveLength(policy.logs.length);
          expect([...second.cosigners.keys()]).toEqual([...policy.witnesses.keys()]);
          expect(second.isMet(new Set(signed))).toBe(
            isSatisfied(policy, policy.quorum, ({ name }) => signed.includes(name)),
          );
        },
      ),
      { numRuns: 2000 },
    );
    expect(accepted).toBeGreaterThan(50);
  });

  it('names the line that is wrong', () => {
    expect(readTrustPolicy(`log ${log}\n\ngroup G any W0\nquorum G\n`)).toBe(3);
    expect(readTrustPolicy(`log ${log}\n`)).toBe(0);
  });
});

function rank(line: string): number {
  return ['log', 'witness', 'group', 'quorum'].indexOf(line.split(' ', 1)[0]);
}
