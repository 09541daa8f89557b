import { describe, expect, it } from 'vitest';
import type { MergeChange } from '../../../../src/formats/fhir/change.ts';
import { adt, normalize } from '../../../support/hl7v2.ts';
import { mrg, pid, pv1 } from '../../../support/identity-feed.ts';

const account = (number: string): string => `${number}^^^HOSP^AN`;
const merges = (event: string, segments: readonly string[]): readonly MergeChange[] =>
  normalize(adt(event, segments)).changes.filter((change) => change.mode === 'merge');

describe('what an event of identity lacks is said with its place', () => {
  it.each([
    ['A41', [pid('230', account('A230')), mrg('231')], 'MRG-3'],
    ['A35', [pid('230'), `MRG|||${account('A231')}`], 'PID-18'],
    ['A42', [pid('230'), mrg('231'), pv1('V230')], 'MRG-5'],
    ['A42', [pid('230'), 'MRG|230^^^HOSP^MR||||V9'], 'PV1'],
    ['A50', [pid('230'), 'MRG|230^^^HOSP^MR||||V9', 'PV1|1|O'], 'PV1-19'],
    ['A40', [pid('230')], 'MRG'],
    ['A40', [pid('230'), mrg('230')], 'MRG-1'],
    ['A40', ['PID|1||||Doe', mrg('230')], 'PID-3'],
    ['A40', [mrg('230')], 'PID'],
    ['A24', [pid('230')], 'PID[2]'],
    ['A24', [pid('230'), pid('230')], 'PID[2]-3'],
  ])('%s %j: %s', (event, segments, expression) => {
    expect(() => normalize(adt(event, segments))).toThrow(
      expect.objectContaining({ code: 'required-missing', expression }),
    );
  });
});

describe('trap: merges', () => {
  it('A40 names survivor and merged by their own numbers, each known by no number of the other', () => {
    const [survivor, merged, ...more] = merges('A40', [pid('1'), mrg('2')]);
    expect(more).toEqual([]);
    expect(survivor.keys).toEqual([['identifier', 'https://hospital.example/ids/HOSP', '1']]);
    expect(merged.keys).toEqual([['identifier', 'https://hospital.example/ids/HOSP', '2']]);
    expect([survivor.relation, merged.relation]).toEqual([undefined, { kind: 'replaced-by', other: 0 }]);
  });

  it('A40 repeats: each MRG belongs to the PID before it', () => {
    const changes = merges('A40', [pid('1'), mrg('2'), pid('3'), mrg('4')]);
    expect(changes.map(({ relation }) => relation?.other)).toEqual([undefined, 0, undefined, 2]);
  });

  it('bare numbers on both sides are those of the source', () => {
    const changes = merges('A40', ['PID|1||1||Doe', 'MRG|2']);
    expect(changes[1].keys).toEqual([['identifier', 'https://hospital.example/ids', '2']]);
  });

  it('numbers that do not say who the patient is merge nobody', () => {
    expect(() => merges('A40', [pid('1'), 'MRG|900^^^HOSP^AN'])).toThrow(
      expect.objectContaining({ expression: 'MRG-1' }),
    );
  });

  it('numbers of an assigner that the source may not merge are left out and noted', () => {
    const { changes, details } = normalize(adt('A40', [pid('1'), `${mrg('2')}~9^^^&2.16.840.1.113883.3.99&ISO^MR`]));
    expect(changes).toHaveLength(2);
    expect(details.omissions).toEqual([{ location: 'MRG-1', reason: 'not-authorised' }]);
  });

  it("a number that both patients of a link list is the first one's", () => {
    const [first, second] = merges('A24', [pid('1'), 'PID|2||1^^^HOSP^MR~2^^^HOSP^MR||Doe^Jane']);
    expect([first, second].map(({ keys }) => keys.map((key) => key[2]))).toEqual([['1'], ['2']]);
  });

  it('the survivor is not known by a number of MRG-1 that the source may not merge by', () => {
    const other = '9^^^&2.16.840.1.113883.3.99&ISO^MR';
    const [survivor, merged] = merges('A40', [`PID|1||${other}~1^^^HOSP^MR||Doe`, `${mrg('2')}~${other}`]);
    expect([survivor, merged].map(({ keys }) => keys.map((key) => key[2]))).toEqual([['1'], ['2']]);
  });

  it('A37 says that they are two, A24 that they are one', () => {
    expect(merges('A37', [pid('1'), pid('2')])[1].relation).toEqual({ kind: 'none', other: 0 });
    expect(merges('A24', [pid('1'), pid('2')])[1].relation).toEqual({ kind: 'seealso', other: 0 });
  });
});
