import { describe, expect, it } from 'vitest';
import { validateResource } from '../../../../src/formats/fhir/validate.ts';
import { hl7, MemoryRecord, segment } from '../../../support/hl7v2.ts';

const PID = 'PID|1||123^^^HOSP^MR||Doe^Jane||19800704|F';
const ORC = 'ORC|RE|P1^EHR|F1^PHA';
const taken = (type: string, ...segments: string[]): MemoryRecord => {
  const record = new MemoryRecord(hl7(type, [PID, ...segments]));
  for (const resource of record.all()) expect(validateResource(resource), resource.resourceType).toEqual([]);
  return record;
};

describe('trap: notes of a pharmacy are of what they stand behind', () => {
  it('a dispense, and not its prescription', () => {
    const rxd = segment('RXD', { 1: '1', 2: '2^x^L', 3: '20260301', 4: '30', 20: 'PFE^Pfizer^MVX', 33: 'RF^refill' });
    const record = taken('RDS^O13', ORC, rxd, 'NTE|1||gave half');
    expect(record.one('MedicationDispense')).toMatchObject({
      note: [{ text: 'gave half' }],
      type: { coding: [{ code: 'RF' }] },
      contained: [{ manufacturer: { identifier: { value: 'PFE' }, display: 'Pfizer' } }],
    });
    expect(record.one('MedicationRequest').note).toBeUndefined();
  });

  it('an RXE-2 of separators alone leaves the name to what was dispensed', () => {
    const rxd = segment('RXD', { 1: '1', 2: '2^x^L', 3: '20260301', 4: '30' });
    const record = taken('RDS^O13', ORC.replace('RE', 'NW'), segment('RXE', { 2: '^', 3: '250', 5: 'mg' }), rxd);
    expect(record.one('MedicationRequest').medicationCodeableConcept).toMatchObject({ coding: [{ code: '2' }] });
  });

  it('a dispense that is taken back is cancelled', () => {
    const rxd = segment('RXD', { 1: '1', 2: '2^x^L', 3: '20260301', 4: '30' });
    const cancelled = hl7('RDS^O13', [PID, ORC.replace('RE', 'OC'), rxd], '20260302120000+0100');
    expect(taken('RDS^O13', ORC, rxd).take(cancelled).one('MedicationDispense').status).toBe('cancelled');
    expect(taken('RDS^O13', `${ORC}||CM`, rxd).one('MedicationDispense').status).toBe('completed');
  });

  it('each administration its own', () => {
    const rxa = (n: number): string =>
      segment('RXA', { 1: '0', 2: String(n), 3: `2026030${n}`, 5: '2^x^L', 6: '1', 17: '^Maker' });
    const record = taken('RAS^O17', ORC, rxa(1), 'NTE|1||first', rxa(2), 'NTE|1||second');
    expect(record.all('MedicationAdministration').map(({ note }: any) => note)).toEqual([
      [{ text: 'first' }],
      [{ text: 'second' }],
    ]);
  });

  it('an administration without an order is one all the same, and the same when it is sent again', () => {
    const rxa = segment('RXA', { 1: '0', 2: '1', 3: '20260301100000+0100', 5: 'RBC^Red cells^L', 6: '350', 15: 'W1' });
    const record = taken('RAS^O17', rxa, 'NTE|1||no reaction').take(
      hl7('RAS^O17', [PID, rxa.replace('350', '300')], '20260302120000+0100'),
    );
    expect(record.one('MedicationAdministration')).toMatchObject({ dosage: { dose: { value: 300 } } });
    expect(record.all('MedicationRequest')).toEqual([]);
    expect(() => taken('RDE^O11', 'RXE||2^x^L|1')).toThrow('no ORC');
  });

  it('a vaccination has those behind ORC and RXA, and its group number', () => {
    const rxa = segment('RXA', { 1: '0', 2: '1', 3: '20260301', 5: '140^Flu^CVX', 6: '999', 17: 'PMC^Sanofi^MVX' });
    const vaccination = taken('VXU^V04', `${ORC}|G1^IIS`, 'NTE|1||one', rxa, 'NTE|1||two').one('Immunization');
    expect(vaccination).toMatchObject({
      note: [{ text: 'one' }, { text: 'two' }],
      manufacturer: { display: 'Sanofi' },
    });
    expect(vaccination.identifier.map(({ value }: any) => value)).toContain('G1');
  });
});

describe('trap: several products below one ORC', () => {
  const rxe = (code: string, dose: string): string => segment('RXE', { 2: `${code}^${code}^L`, 3: dose, 5: 'mg' });
  const doses = (record: MemoryRecord): unknown[] =>
    record
      .all('MedicationRequest')
      .map(({ dosageInstruction: [{ doseAndRate, timing }] }: any) => [
        doseAndRate[0].doseQuantity.value,
        timing.repeat.frequency,
      ]);

  it.each(['ORC|NW|P1^EHR', 'ORC|NW'])('are prescriptions of their own, even of the same product: %s', (orc) => {
    const rde = [orc, rxe('A', '1'), 'TQ1|1||BID', rxe('B', '2'), 'TQ1|1||TID', rxe('A', '3'), 'TQ1|1||QD'];
    expect(doses(taken('RDE^O11', ...rde))).toEqual([
      [1, 2],
      [2, 3],
      [3, 1],
    ]);
    expect(
      taken('RDE^O11', ...rde)
        .take(hl7('RDE^O11', [PID, ...rde]))
        .all('MedicationRequest'),
    ).toHaveLength(3);
    const rxo = (code: string): string => segment('RXO', { 1: `${code}^${code}^L`, 2: '1', 4: 'mg' });
    expect(taken('OMP^O09', orc, rxo('A'), rxo('B')).all('MedicationRequest')).toHaveLength(2);
  });

  it('a compound without a name of its own is called by its components', () => {
    const compound = ['RXO||500||mL', 'RXC|B|1^Saline^L|500|mL', 'RXC|A|2^KCl^L|20|mmol'];
    expect(taken('OMP^O09', ORC, ...compound).one('MedicationRequest').contained).toMatchObject([
      { code: { text: 'Saline + KCl' }, ingredient: { length: 2 } },
    ]);
  });
});

describe('trap: codes of how something is given', () => {
  it('have the code of the guide before their own', () => {
    const given = taken('RDE^O11', ORC, segment('RXE', { 2: '2^x^L', 3: '1' }), 'RXR|SC^subcutaneous^HL70162|||CH');
    const [{ route, method }] = given.one('MedicationRequest').dosageInstruction;
    expect(route.coding.map(({ code }: any) => code)).toEqual(['SQ', 'SC']);
    expect(method.coding.map(({ code }: any) => code)).toEqual(['419747000', 'CH']);
    const local = taken('RDE^O11', ORC, segment('RXE', { 2: '2^x^L', 3: '1' }), 'RXR|SC^Scalp^99LOCAL');
    expect(local.one('MedicationRequest').dosageInstruction[0].route.coding).toHaveLength(1);
  });
});

describe('trap: charges', () => {
  const ft1 = (fields: Readonly<Record<number, string>>): string =>
    segment('FT1', { 1: '1', 4: '20260301', 6: 'CG', ...fields });

  it('below an order they are charges of its patient', () => {
    const ordered = taken('OML^O21', ORC, 'OBR|1|P1^EHR||1^x^L', ft1({ 7: 'C1^Visit^L' }), 'NTE|1||late');
    expect(ordered.one('ChargeItem')).toMatchObject({ code: { coding: [{ code: 'C1' }] }, note: [{ text: 'late' }] });
    expect(ordered.one('ServiceRequest').note).toBeUndefined();
  });

  it('the code of the charge master and that of the payers are both kept', () => {
    const { code } = taken('DFT^P03', ft1({ 7: 'C1^Visit^L', 25: '99213^Office visit^C4' })).one('ChargeItem');
    expect(code.coding.map((coding: any) => coding.code)).toEqual(['C1', '99213']);
  });
});

describe('trap: what went otherwise than planned', () => {
  it('VAR is a note of the problem or goal before it', () => {
    const variance = segment('VAR', { 1: 'V1', 2: '20260301', 4: 'D1^Ho^Ann^^^^^^HOSP', 6: 'refused' });
    const record = taken(
      'PPR^PC1',
      'PRB|AD|20260301|38341003^Ht^SCT',
      'NTE|1||seen',
      variance,
      'GOL|AD|20260301|1^walk^L',
      variance,
    );
    expect(record.one('Condition').note).toMatchObject([{ text: 'seen' }, { text: 'refused', time: '2026-03-01' }]);
    expect(record.one('Goal').note).toMatchObject([{ authorReference: { display: 'Ann Ho' }, text: 'refused' }]);
  });
});
