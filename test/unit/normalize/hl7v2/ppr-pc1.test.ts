import { describe, expect, it } from 'vitest';
import { defects, hl7, MemoryRecord, normalize, segment } from '../../../support/hl7v2.ts';

const PID = 'PID|1||123^^^HOSP^MR||Doe^Jane';
const prb = (fields: Readonly<Record<number, string>> = {}): string =>
  segment('PRB', { 1: 'AD', 2: '20260301100000+0100', 3: 'K50^Crohn^I10', 4: '26744', 14: 'ACTIVE', ...fields });
let minute = 0;
const message = (type: string, ...segments: string[]): string =>
  hl7(type, [PID, ...segments], `2026030112${String(minute++ % 60).padStart(2, '0')}00+0100`);
const record = (...messages: string[]): MemoryRecord => {
  const taken = new MemoryRecord(...messages);
  expect(defects(taken)).toEqual([]);
  return taken;
};
const state = (...messages: string[]): unknown[] => {
  const { clinicalStatus, verificationStatus, abatementDateTime } = record(...messages).one('Condition');
  return [clinicalStatus?.coding[0].code, verificationStatus?.coding[0].code, abatementDateTime];
};

describe('PPR_PC1', () => {
  it('a problem is added, resolved, and active again', () => {
    const added = message('PPR^PC1', prb());
    const resolved = message('PPR^PC2', prb({ 1: 'UP', 9: '20260305', 14: 'Resolved' }));
    const again = message('PPR^PC2', prb({ 1: 'UP', 14: 'Relapse' }));
    expect(state(added)).toEqual(['active', undefined, undefined]);
    expect(state(added, resolved)).toEqual(['resolved', undefined, '2026-03-05']);
    expect(state(added, resolved, again)).toEqual(['relapse', undefined, undefined]);
  });

  it('trap: what has abated is over, whatever PRB-14 says', () => {
    expect(state(message('PPR^PC1', prb({ 9: '20260305' })))).toEqual(['resolved', undefined, '2026-03-05']);
  });

  it('trap: deleted by action, by event or by word: in error, without a clinical status', () => {
    const added = message('PPR^PC1', prb());
    const gone = [undefined, 'entered-in-error', undefined];
    expect(state(added, message('PPR^PC2', prb({ 1: 'DE' })))).toEqual(gone);
    expect(state(added, message('PPR^PC3', prb({ 1: '' })))).toEqual(gone);
    expect(state(added, message('PPR^PC2', prb({ 14: 'Deleted' })))).toEqual(gone);
  });

  it('goals and pathways address the problem above; notes stay with theirs; PRB-25 marks it', () => {
    const taken = record(
      message(
        'PPR^PC1',
        prb({ 25: 'PSY' }),
        'NTE|1||mild',
        'GOL|AD|20260301|G1^No pain^L|7',
        'PTH|AD|P1^Bowel care^L|8|20260301',
      ),
    );
    const [condition] = taken.all('Condition');
    expect(condition).toMatchObject({ note: [{ text: 'mild' }], meta: { security: [{ code: 'PSY' }] } });
    expect(taken.one('Goal').addresses).toEqual([{ reference: `Condition/${condition.id}` }]);
    expect(taken.one('CarePlan')).toMatchObject({ status: 'active', period: { start: '2026-03-01' } });
  });

  it('a goal that comes first addresses the problems below it', () => {
    const taken = record(
      message(
        'PGL^PC6',
        'GOL|AD|20260301|G1^No pain^L|7',
        prb(),
        prb({ 3: 'R52^Pain^I10', 4: '26745' }),
        'GOL|AD|20260301|G2^Sleep^L|8',
      ),
    );
    const addresses = taken.all('Goal').map((goal: any) => goal.addresses?.length);
    expect(taken.all('Condition')).toHaveLength(2);
    expect(addresses[0]).toBe(2);
  });

  it('a problem without a code is counted', () => {
    expect(normalize(message('PPR^PC1', prb({ 3: '' }))).details).toMatchObject({
      unmapped: { PRB: 1 },
      omissions: [{ location: 'PRB[1]-3', reason: 'no-code' }],
    });
  });
});

describe('trap: orders below a problem', () => {
  it('are orders, unless they bring results', () => {
    const orc = 'ORC|NW|P1^EHR';
    const placed = record(message('PPR^PC1', prb(), orc, 'OBR|1|P1^EHR||57021-8^CBC^LN'));
    expect(placed.one('ServiceRequest')).toMatchObject({ status: 'active', code: { coding: [{ code: '57021-8' }] } });
    expect(placed.all('DiagnosticReport')).toEqual([]);
    const drug = record(message('PPR^PC1', prb(), orc, 'RXO|2^prednisone^L|20||mg'));
    expect(drug.one('MedicationRequest').dosageInstruction).toHaveLength(1);
    const reported = record(
      message('PPR^PC1', prb(), 'ORC|RE|P1^EHR', 'OBR|1|P1^EHR||57021-8^CBC^LN', 'OBX|1|NM|1^Hb^L||8||||||F'),
    );
    expect(reported.one('DiagnosticReport').result).toHaveLength(1);
  });
});
