import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { differences as compare, type Difference } from '../../../support/cdc/compare.ts';
import { pairDifferences, pairNames } from '../../../support/cdc/pairs.ts';

const corpora = process.env.CORPORA_DIR;
if (corpora === undefined) console.log('CORPORA_DIR is not set: the comparison with the pairs of the CDC is skipped');

/** A difference that is meant, with how often it comes; `*` stands for anything. The first that fits holds. */
interface Accepted {
  readonly element: string;
  readonly side: 'theirs' | 'ours' | 'both';
  readonly count: number;
  readonly because: string;
}

const topics: { topic: string; differences: Accepted[] }[] = JSON.parse(
  readFileSync(new URL('../../../support/cdc/differences.json', import.meta.url), 'utf8'),
);
const accepted = topics.flatMap(({ differences }) => differences);

const patterns = accepted.map(({ element }) => new RegExp(`^${element.replaceAll('.', '\\.').replaceAll('*', '.*')}$`));

function sideOf({ theirs, ours }: Difference): Accepted['side'] {
  return theirs === undefined ? 'ours' : ours === undefined ? 'theirs' : 'both';
}

describe.skipIf(corpora === undefined)('the pairs of the CDC', () => {
  const folder = join(corpora ?? '', 'hl7v2/cdc');

  it('agree element by element, but for what is listed with its reason, as often as it is listed', () => {
    const names = pairNames(folder);
    expect(names).toHaveLength(88);
    const counts = accepted.map(() => 0);
    const unlisted: string[] = [];
    for (const name of names) {
      for (const difference of pairDifferences(folder, name)) {
        const side = sideOf(difference);
        const at = accepted.findIndex((each, i) => each.side === side && patterns[i].test(difference.path));
        if (at >= 0) counts[at]++;
        else
          unlisted.push(
            `${name} ${difference.path}: theirs ${JSON.stringify(difference.theirs)}, ours ${JSON.stringify(difference.ours)}`,
          );
      }
    }
    expect(unlisted).toEqual([]);
    const found = accepted.map(({ element, side }, i) => ({ element, side, count: counts[i] }));
    expect(found).toEqual(accepted.map(({ element, side, count }) => ({ element, side, count })));
  });
});

describe('the comparison', () => {
  const bundle = (...resources: object[]): { fullUrl: string; resource: any }[] =>
    resources.map((resource, i) => ({ fullUrl: `urn:${i}`, resource }));
  const patient = { resourceType: 'Patient', name: [{ family: 'Doe', given: ['Jane'] }], birthDate: '1980-07-04' };

  it('finds what differs, lacks or is added, by its path', () => {
    const other = { ...patient, name: [{ family: 'Roe', given: ['Jane'] }], gender: 'female', birthDate: undefined };
    expect(compare(bundle(patient), bundle(JSON.parse(JSON.stringify(other))))).toEqual([
      { path: 'Patient.name.family', theirs: 'Doe', ours: 'Roe' },
      { path: 'Patient.birthDate', theirs: '1980-07-04', ours: undefined },
      { path: 'Patient.gender', theirs: undefined, ours: 'female' },
    ]);
  });

  it('sees that a reference leads elsewhere, and a resource that only one has', () => {
    const report = (to: string): object => ({ resourceType: 'DiagnosticReport', result: [{ reference: to }] });
    const [a, b] = ['A', 'B'].map((text) => ({
      resourceType: 'Observation',
      code: { text },
      status: 'final',
      valueString: text,
      note: [{ text }],
    }));
    expect(compare(bundle(a, b, report('urn:0')), bundle(b, a, report('urn:1')))).toEqual([]);
    expect(compare(bundle(a, b, report('urn:0')), bundle(b, a, report('urn:0')))).toHaveLength(1);
    expect(compare(bundle(a, b), bundle(b)).map(({ path }) => path)).toEqual(['Observation']);
  });

  it('reads the same moment in either form as equal, and another zone as another', () => {
    const at = (effectiveDateTime: string): object => ({ resourceType: 'Observation', effectiveDateTime });
    expect(compare(bundle(at('2026-01-01T10:00:00Z')), bundle(at('2026-01-01T10:00:00+00:00')))).toEqual([]);
    expect(compare(bundle(at('2026-01-01T10:00:00Z')), bundle(at('2026-01-01T10:00:00-05:00')))).toHaveLength(1);
  });
});
