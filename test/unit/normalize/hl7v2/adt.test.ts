import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { adt, defects, MemoryRecord, normalize, segment } from '../../../support/hl7v2.ts';

const PID = 'PID|1||123^^^HOSP^MR||Doe^Jane||19800704|F';
const visit = (place: string, fields: Readonly<Record<number, string>> = {}): string =>
  segment('PV1', { 1: '1', 2: 'I', 3: place, 19: 'V1^^^HOSP^VN', ...fields });
const PV1 = visit('W1^1^A');
let clock = 0;
const at = (event: string, segments: readonly string[]): string =>
  adt(event, segments, `2026030112${String((clock = (clock + 1) % 60)).padStart(2, '0')}00+0100`);
const stay = (...events: (readonly [string, string])[]): any => {
  clock = 0;
  return new MemoryRecord(...events.map(([event, pv1]) => at(event, [PID, pv1]))).one('Encounter');
};
const valid = (record: MemoryRecord): void => {
  expect(defects(record)).toEqual([]);
};

describe('trap: what an event says of the visit', () => {
  it.each([
    ['admitted, discharged, updated', ['A01', 'A03', 'A08'], 'finished'],
    ['cancelled admission', ['A01', 'A11'], 'cancelled'],
    ['an update after a cancelled admission', ['A01', 'A11', 'A08'], 'cancelled'],
    ['a discharge taken back', ['A01', 'A03', 'A13'], 'in-progress'],
    ['pre-admitted', ['A05'], 'planned'],
    ['pre-admitted, then admitted', ['A05', 'A01'], 'in-progress'],
    ['a late change of the plan does not undo the admission', ['A01', 'A05'], 'in-progress'],
    ['pre-admission cancelled', ['A05', 'A38'], 'cancelled'],
    ['pending admission cancelled', ['A14', 'A27'], 'cancelled'],
    ['cancelling the plan does not cancel the stay', ['A14', 'A01', 'A27'], 'in-progress'],
    ['on leave', ['A01', 'A21'], 'onleave'],
    ['back from leave', ['A01', 'A21', 'A22'], 'in-progress'],
    ['leave cancelled', ['A01', 'A21', 'A52'], 'in-progress'],
    ['the visit is deleted', ['A01', 'A03', 'A23'], 'entered-in-error'],
    ['transferred', ['A01', 'A02'], 'in-progress'],
    ['a transfer does not reopen', ['A01', 'A03', 'A02'], 'finished'],
    ['tracking says nothing', ['A01', 'A21', 'A09', 'A10'], 'onleave'],
  ])('%s', (_, events, status) => {
    expect(stay(...events.map((event) => [event, PV1] as const)).status).toBe(status);
  });

  it('A13 deletes the end of the visit and its disposition, and keeps its beginning', () => {
    const admitted = { 44: '20260301090000+0100' };
    const open = visit('W1', admitted);
    const closed = visit('W1', { ...admitted, 36: '01', 45: '20260305100000+0100' });
    const before = stay(['A01', open], ['A03', closed]);
    expect(before).toMatchObject({ status: 'finished', hospitalization: { dischargeDisposition: {} } });
    expect(before.period.end).toBeDefined();
    const after = stay(['A01', open], ['A03', closed], ['A13', closed]);
    expect(after.period).toEqual({ start: '2026-03-01T09:00:00+01:00' });
    expect(after.hospitalization).toBeUndefined();
  });

  it('a pending place that was cancelled is not reserved', () => {
    const pending = visit('W1', { 42: 'W2' });
    const places = (event: string): unknown => stay(['A01', PV1], [event, pending]).location;
    const place = (display: string): unknown => ({ display, reference: expect.stringMatching(/^Location\//) });
    expect(places('A15')).toEqual([
      { location: place('W1'), status: 'active' },
      { location: place('W2'), status: 'reserved' },
    ]);
    expect(places('A26')).toEqual([{ location: place('W1'), status: 'active' }]);
  });

  it('an inpatient who becomes an outpatient keeps the visit and changes its class', () => {
    expect(stay(['A01', PV1], ['A07', PV1.replace('|I|', '|O|')]).class.code).toBe('AMB');
  });

  it('A28, A31 and A60 need no visit; A02 does; A29 makes the person inactive', () => {
    for (const event of ['A28', 'A31', 'A60']) expect(new MemoryRecord(at(event, [PID])).all()).toHaveLength(1);
    expect(new MemoryRecord(at('A28', [PID]), at('A29', [PID])).one('Patient').active).toBe(false);
    expect(() => normalize(at('A02', [PID]))).toThrow(expect.objectContaining({ code: 'required-missing' }));
  });

  it('A17 swaps two patients: each their own visit and place', () => {
    const record = new MemoryRecord(
      at('A17', [PID, PV1, 'PID|2||456^^^HOSP^MR||Roe^Ann', visit('W2').replace('V1^', 'V2^')]),
    );
    expect(record.all('Patient')).toHaveLength(2);
    expect(record.all('Encounter').map(({ location }: any) => location[0].location.display)).toEqual(['W1 1 A', 'W2']);
  });

  it('an event without visit number or admission makes no visit of its own', () => {
    expect(new MemoryRecord(at('A02', [PID, 'PV1|1|I|W1'])).all('Encounter')).toHaveLength(0);
  });
});

describe('trap: events in any order of arrival', () => {
  const events = [
    ['A05', {}],
    ['A01', { 44: '20260301090000+0100' }],
    ['A02', { 3: 'W2', 6: 'W1', 44: '20260301090000+0100' }],
    ['A21', { 44: '20260301090000+0100' }],
    ['A22', { 44: '20260301090000+0100' }],
    ['A03', { 36: '01', 44: '20260301090000+0100', 45: '20260305100000+0100' }],
  ] as const;
  it('property: a stay ends finished where its patient was last', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...events.keys()], { minLength: events.length }), (order) => {
        clock = 0;
        const messages = events.map(([event, fields]) => at(event, [PID, visit('W2', fields)]));
        const record = new MemoryRecord(...order.map((i) => messages[i]));
        expect(defects(record)).toEqual([]);
        expect(record.one('Encounter').status).toBe('finished');
      }),
    );
  });
});

describe('trap: a visit that ends before it begins', () => {
  it('has no period, and says so; the discharge holds', () => {
    const message = at('A03', [PID, visit('W1', { 44: '20260305', 45: '20260301' })]);
    const record = new MemoryRecord(message);
    valid(record);
    expect(record.one('Encounter')).not.toHaveProperty('period');
    expect(record.one('Encounter').status).toBe('finished');
    expect(normalize(message).details.omissions).toEqual([{ location: 'PV1-44', reason: 'ends-before-start' }]);
  });

  it('even where only the months say so', () => {
    const record = new MemoryRecord(at('A03', [PID, visit('W1', { 44: '202605', 45: '20260301' })]));
    valid(record);
  });
});

describe('trap: segments beside the visit', () => {
  const take = (...segments: string[]): MemoryRecord => {
    const record = new MemoryRecord(at('A01', [PID, PV1, ...segments]));
    valid(record);
    return record;
  };

  it('a note behind DG1 is of the diagnosis, not of the result before', () => {
    const record = take(
      'OBX|1|NM|8302-2^Height^LN||170|cm^^UCUM|||||F',
      'DG1|1||I21.0^Infarction^I10|||A',
      'NTE|1||seen on the ward',
    );
    expect(record.one('Observation').note).toBeUndefined();
    expect(record.one('Condition').note).toEqual([{ text: 'seen on the ward' }]);
  });

  it('diagnoses are ranked at the visit, and one that is deleted is in error and leaves it', () => {
    const first = segment('DG1', { 1: '1', 3: 'I21.0^Infarction^I10', 6: 'A', 15: '1' });
    const second = { 1: '2', 3: 'E11^Diabetes^I10', 6: 'W', 15: '2' };
    const record = take(first, segment('DG1', second));
    expect(record.one('Encounter').diagnosis).toMatchObject([
      { rank: 1, use: { coding: [{ code: 'AD' }] } },
      { rank: 2, use: { coding: [{ code: 'W' }] } },
    ]);
    record.take(at('A08', [PID, PV1, first, segment('DG1', { ...second, 21: 'D' })]));
    valid(record);
    expect(record.one('Encounter').diagnosis).toHaveLength(1);
    expect(record.all('Condition').map(({ verificationStatus }: any) => verificationStatus?.coding[0].code)).toEqual([
      undefined,
      'entered-in-error',
    ]);
  });

  it('DG1-2 is the coding system where DG1-3 names none, and DG1-18 restricts', () => {
    expect(take('DG1|1|I9|626.2|Heavy periods||F').one('Condition').code).toEqual({
      coding: [{ system: 'http://hl7.org/fhir/sid/icd-9-cm', code: '626.2' }],
      text: 'Heavy periods',
    });
    expect(take(segment('DG1', { 3: 'F20^Schizophrenia^I10', 18: 'Y' })).one('Condition').meta.security).toMatchObject([
      { code: 'R' },
    ]);
  });

  it('an allergy is one however often it is sent; a reaction without manifestation is none', () => {
    const record = take('AL1|1|DA|70618^Penicillin^RXNORM|SV|hives~swelling|20240101');
    record.take(at('A60', [PID, 'IAM|1|DA|70618^Penicillin^RXNORM|MO||A|77^LAB']));
    valid(record);
    expect(record.one('AllergyIntolerance')).toMatchObject({
      category: ['medication'],
      _criticality: { extension: [{ valueCodeableConcept: { coding: [{ code: 'MO' }] } }] },
      reaction: [
        { manifestation: [{ text: 'hives' }], severity: 'severe' },
        { manifestation: [{ text: 'swelling' }], severity: 'severe' },
      ],
      identifier: [{ value: '77' }],
    });
  });

  it('a confirmed but inactive allergy (IAM-17 I) is neither refuted nor active', () => {
    const allergy = (status: string): any =>
      take(segment('IAM', { 1: '1', 2: 'DA', 3: '70618^Penicillin^RXNORM', 9: 'IN', 17: status })).one(
        'AllergyIntolerance',
      );
    const statuses = (status: string): unknown => {
      const { clinicalStatus, verificationStatus, type } = allergy(status);
      return [clinicalStatus?.coding[0].code, verificationStatus?.coding[0].code, type];
    };
    expect(statuses('I')).toEqual(['inactive', 'confirmed', 'intolerance']);
    expect(statuses('resolved')).toEqual(['resolved', undefined, 'intolerance']);
    expect(statuses('E')).toEqual([undefined, 'entered-in-error', 'intolerance']);
    expect(statuses('')).toEqual(['active', undefined, 'intolerance']);
  });

  it('codes of an allergy that FHIR has none for are kept; what is said later replaces them', () => {
    const record = take('AL1|1|MC|1^Warfarin^L|U');
    valid(record);
    expect(record.one('AllergyIntolerance')).toMatchObject({
      _category: [{ extension: [{ valueCodeableConcept: { coding: [{ code: 'MC' }] } }] }],
      _criticality: { extension: [{ valueCodeableConcept: { coding: [{ code: 'U' }] } }] },
    });
    record.take(at('A60', [PID, 'IAM|1|DA|1^Warfarin^L|SV||A']));
    valid(record);
    const { category, criticality, _category, _criticality } = record.one('AllergyIntolerance');
    expect([category, criticality, _category, _criticality]).toEqual([['medication'], 'high', undefined, undefined]);
  });

  it('who told of an allergy: a relative by name and relationship (IAM-14, IAM-15)', () => {
    const record = take(segment('IAM', { 1: '1', 3: '1^Latex^L', 14: 'Doe^Mary', 15: 'MTH^mother^HL70063' }));
    valid(record);
    expect(record.one('RelatedPerson')).toMatchObject({
      name: [{ family: 'Doe', given: ['Mary'] }],
      relationship: [{ coding: [{ code: 'MTH' }] }],
    });
    expect(record.one('RelatedPerson').address).toBeUndefined();
    expect(record.has(record.one('AllergyIntolerance').recorder.reference)).toBe(true);
  });

  it('codes of HL7 tables are mapped as the guide says, and stay behind; local codes of the same letters are not', () => {
    const coded = (more: string, religion: string): any => {
      const record = new MemoryRecord(
        adt('A01', [
          `${PID}${'|'.repeat(17 - PID.split('|').length + 1)}${religion}`,
          segment('PV1', { 2: 'I', 10: `MED${more}`, 15: 'A2~A3', 19: 'V1' }),
          segment('PV2', { 25: '2' }),
        ]),
      );
      valid(record);
      const [{ valueCodeableConcept }] = record
        .one('Patient')
        .extension.filter(({ url }: any) => String(url).endsWith('patient-religion'));
      const { serviceType, priority, hospitalization } = record.one('Encounter');
      return [valueCodeableConcept, serviceType, priority, ...hospitalization.specialArrangement].map(
        ({ coding }: any) => coding.map(({ code }: any) => code).join(' '),
      );
    };
    expect(coded('', 'SIK')).toEqual(['1047 SIK', '382 MED', 'UR 2', 'wheel A2', 'A3']);
    expect(coded('^Medical^HL70069', 'SIK^x^99LOCAL')).toEqual(['SIK', '382 MED', 'UR 2', 'wheel A2', 'A3']);
    expect(coded('^Medical^L', 'ZZZ')).toEqual(['ZZZ', 'MED', 'UR 2', 'wheel A2', 'A3']);
  });

  it('segment action code D of IAM: entered in error, without a clinical status', () => {
    const record = take('AL1|1|DA|70618^Penicillin^RXNORM|SV|hives');
    record.take(at('A60', [PID, 'IAM|1|DA|70618^Penicillin^RXNORM|||D']));
    valid(record);
    const allergy = record.one('AllergyIntolerance');
    expect(allergy.verificationStatus.coding[0].code).toBe('entered-in-error');
    expect(allergy.clinicalStatus).toBeUndefined();
  });

  it('addresses keep what FHIR has no code for: permanent, vacation home, census tract', () => {
    const [permanent, vacation, home, word] = take(
      segment('NK1', {
        1: '1',
        2: 'Doe^John',
        4: '1 Main^^Town^^^^P~2 Sea^^Bay^^^^HV~3 Hill^^Town^^^^H^^^T12~4 Elm^^^^^^Home',
      }),
    ).one('RelatedPerson').address;
    expect(permanent._use.extension[0].valueCodeableConcept.coding[0].code).toBe('P');
    expect(word._use.extension[0].valueCodeableConcept).toEqual({ text: 'Home' });
    expect(vacation.extension).toMatchObject([{ valueCode: 'HV' }]);
    expect([home.use, home.extension[0].valueString, home._use]).toEqual(['home', 'T12', undefined]);
  });

  it('by what name a patient is called (XPN.15) is a nickname', () => {
    const record = new MemoryRecord(adt('A04', [PID.replace('Doe^Jane', 'Doe^Jane^^^^^L^^^^^^^^Jenny'), PV1]));
    valid(record);
    expect(record.one('Patient').name).toMatchObject([{ use: 'official' }, { use: 'nickname', given: ['Jenny'] }]);
  });

  it('what a relative is to be asked for (NK1-7) stands beside the relationship', () => {
    const { relationship } = take('NK1|1|Doe^Mary|MTH||||N^Next-of-Kin^HL70131').one('RelatedPerson');
    expect(relationship.map(({ coding }: any) => coding[0].code)).toEqual(['MTH', 'N']);
  });

  it('A06 with MRG: the visit goes on under its new number; the old account is another one', () => {
    const account = (number: string): string =>
      `${PID}${'|'.repeat(18 - PID.split('|').length + 1)}${number}^^^HOSP^AN`;
    const visit = (kind: string, number: string): string => segment('PV1', { 2: kind, 19: `${number}^^^HOSP^VN` });
    const record = new MemoryRecord(
      adt('A04', [account('AC1'), visit('O', 'V1')]),
      adt(
        'A06',
        [account('AC2'), 'MRG|123^^^HOSP^MR||AC1^^^HOSP^AN||V1^^^HOSP^VN', visit('I', 'V2')],
        '20260302120000+0100',
      ),
    );
    valid(record);
    expect(record.one('Encounter')).toMatchObject({
      class: { code: 'IMP' },
      identifier: [{ value: 'V1', use: 'old' }, { value: 'V2' }],
    });
    const [old, current] = record.all('Account') as any[];
    expect([old.identifier[0].value, old.status, current.status]).toEqual(['AC1', 'active', 'active']);
    expect(current.partOf.reference).toBe(`Account/${old.id}`);
    const { unmapped } = normalize(adt('A06', [PID, 'MRG|123^^^HOSP^MR', visit('I', 'V2')])).details;
    expect(unmapped).toBeUndefined();
  });

  it('whom to ask at an organisation that is a contact (NK1-30 to 32) is the name of the contact', () => {
    const fields = { 1: '1', 7: 'E^Employer', 13: 'ACME', 30: 'Boss^Ann', 31: '555-7', 32: '9 Work^^Town' };
    const record = take(segment('NK1', fields));
    valid(record);
    expect(record.all('RelatedPerson')).toEqual([]);
    expect(record.one('Patient').contact).toMatchObject([
      { name: { family: 'Boss' }, telecom: [{ value: '555-7', use: 'work' }], organization: { display: 'ACME' } },
    ]);
    const person = take(segment('NK1', { ...fields, 2: 'Doe^John', 7: '' })).one('Patient').contact[0];
    expect([person.name.family, person.telecom, person.address]).toEqual(['Doe', undefined, undefined]);
  });

  it('a visit keeps its description (PV2-12) and the prior temporary place (PV1-43)', () => {
    const record = new MemoryRecord(
      adt('A01', [
        PID,
        segment('PV1', { 2: 'I', 19: 'V1', 43: 'ER^1' }),
        segment('PV2', { 3: 'R1', 12: 'Chest pain' }),
      ]),
    );
    valid(record);
    const { reasonCode, location } = record.one('Encounter');
    expect(reasonCode).toMatchObject([{ coding: [{ code: 'R1' }] }, { text: 'Chest pain' }]);
    expect(location).toMatchObject([{ status: 'completed' }]);
  });

  it('modifiers of a procedure stand behind the code by which it is found', () => {
    const { code } = take(segment('PR1', { 1: '1', 3: '44950^Appendectomy^C4', 5: '20240101', 16: '22~51' })).one(
      'Procedure',
    );
    expect(code.coding.map((coding: any) => coding.code)).toEqual(['44950', '44950:22:51']);
  });

  it('a role brings the telephone, the organisation, the kind of provider and the reason along (ROL-8 to 14)', () => {
    const role = segment('ROL', {
      2: 'AD',
      3: 'CP^^HL70443',
      4: '7^House^Greg',
      8: 'R1^Reason',
      9: 'MD^Physician^L',
      11: '1 Clinic^^Town',
      12: '555-9',
      14: 'ACME',
    });
    const record = new MemoryRecord(
      adt('A04', [PID, role, segment('ROL', { 2: 'AD', 3: 'PH', 10: 'O', 14: 'Shop^^9' }), PV1]),
    );
    valid(record);
    expect(record.one('Practitioner')).toMatchObject({
      telecom: [{ value: '555-9', use: 'work' }],
      address: [{ city: 'Town' }],
    });
    const { participant, reasonCode } = record.one('CareTeam');
    expect(participant).toMatchObject([
      { role: [{ coding: [{ code: 'CON' }] }, { coding: [{ code: 'MD' }] }], onBehalfOf: { display: 'ACME' } },
      { member: { display: 'Shop' } },
    ]);
    expect(reasonCode).toMatchObject([{ coding: [{ code: 'R1' }] }]);
    expect(record.one('Organization').type).toMatchObject([{ coding: [{ code: 'O' }] }]);
  });

  it('what a later mention of a person says is not lost behind the first', () => {
    const record = new MemoryRecord(
      adt('A04', [
        PID,
        'PD1||||7^House^Greg',
        PV1,
        segment('PRT', { 2: 'AD', 4: 'AT', 5: '7^House^Greg', 14: '1 Clinic^^Town', 15: '555-9' }),
      ]),
    );
    valid(record);
    expect(record.one('Practitioner')).toMatchObject({ telecom: [{ value: '555-9' }], address: [{ city: 'Town' }] });
  });

  it('the case manager of an insurance (IN3-21) is one of the team', () => {
    const record = take('IN1|1|PPO^Gold||Aetna', segment('IN3', { 1: '1', 21: 'Manager, Mary' }));
    valid(record);
    expect(record.one('CareTeam').participant).toMatchObject([
      { role: [{ coding: [{ code: '768832004' }] }], member: { display: 'Manager, Mary' } },
    ]);
  });

  it('the financial class (PV1-20) is the type of the first coverage, else a coverage whose payor is unknown', () => {
    const visit = segment('PV1', { 2: 'I', 19: 'V1', 20: 'SP&Self pay^20260301' });
    const alone = new MemoryRecord(adt('A01', [PID, visit]), adt('A08', [PID, visit], '20260302120000+0100'));
    valid(alone);
    expect(alone.one('Coverage')).toMatchObject({
      type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0064', code: 'SP', display: 'Self pay' }] },
      payor: [{ extension: [{ valueCode: 'unknown' }] }],
      period: { start: '2026-03-01' },
    });
    const insured = new MemoryRecord(adt('A01', [PID, visit, 'IN1|1|PPO^Gold||Aetna', 'IN1|2|HMO^X||Cigna']));
    valid(insured);
    expect(insured.all('Coverage').map(({ type }: any) => type?.coding[0].code)).toEqual(['SP', undefined]);
  });

  it('a subscriber number in IN1-10 is one of the subscriber, not of the employer', () => {
    const record = take(segment('IN1', { 2: 'PPO^Gold', 4: 'Aetna', 10: 'S1^^^PAYERS^SN' }));
    valid(record);
    const { subscriberId, extension, policyHolder } = record.one('Coverage');
    expect([subscriberId, extension[0].valueIdentifier.value, policyHolder]).toEqual(['S1', 'S1', undefined]);
  });

  it('coverage of the patient herself, of a husband, and of an insurer without number', () => {
    const record = take(
      segment('IN1', {
        2: 'PPO^Gold',
        3: '77^^^PAYERS^NIIP',
        4: 'Aetna',
        8: 'G1',
        16: 'Doe^Jane',
        17: 'SEL',
        22: '1',
        36: 'P-1',
      }),
      segment('IN1', { 2: 'HMO^Silver', 4: 'Cigna', 16: 'Doe^John', 17: 'SPO', 18: '19790101', 22: '2', 36: 'P-2' }),
    );
    const [own, husbands]: any[] = record.all('Coverage');
    expect(own).toMatchObject({ subscriberId: 'P-1', order: 1, payor: [{ display: 'Aetna' }] });
    expect(own.subscriber).toEqual(own.beneficiary);
    expect(husbands).toMatchObject({
      payor: [{ display: 'Cigna' }],
      relationship: { coding: [{ code: 'spouse' }, {}] },
    });
    expect(record.one('RelatedPerson')).toMatchObject({ birthDate: '1979-01-01', name: [{ family: 'Doe' }] });
    expect(record.one('Organization').name).toBe('Aetna');
  });

  it('account, coverage and guarantor hang together', () => {
    const account = `${PID}${'|'.repeat(10)}A-9^^^HOSP^AN`;
    const record = new MemoryRecord(
      at('A04', [account, PV1, 'IN1|1|PPO^Gold|77^^^PAYERS^NIIP|Aetna', 'GT1|1||Doe^John||||||||SPO']),
    );
    valid(record);
    expect(record.one('Account')).toMatchObject({
      identifier: [{ value: 'A-9' }],
      coverage: [{ coverage: {} }],
      guarantor: [{ party: {} }],
    });
  });

  it('trap: mother and child with one account number each have their own', () => {
    const of = (id: string): string => segment('PID', { 3: `${id}^^^HOSP^MR`, 5: 'Doe^J', 18: 'A-9^^^HOSP^AN' });
    const record = new MemoryRecord(at('A28', [of('1')]), at('A28', [of('2')]));
    valid(record);
    expect(record.all('Account')).toHaveLength(2);
  });

  it('a newborn: the number of the mother is who she is, not a number of the child', () => {
    const record = new MemoryRecord(at('A01', [`${PID}${'|'.repeat(13)}999^^^HOSP^MR`, PV1]));
    valid(record);
    expect(record.one('RelatedPerson')).toMatchObject({
      identifier: [{ value: '999' }],
      relationship: [{ coding: [{ code: 'MTH' }] }],
    });
    expect(record.one('Patient').identifier).toHaveLength(1);
  });

  it('next of kin are persons of the record too; an employer is a contact only', () => {
    const record = take('NK1|1|Doe^John|SPO^Spouse^HL70063|1 Main^^Town', 'NK1|2|Acme|EMR^Employer');
    expect(record.one('RelatedPerson').relationship[0].coding[0].code).toBe('SPS');
    expect(record.one('Patient').contact).toHaveLength(2);
  });

  it('roles: the primary care provider, the team, the visit, the surgeon; an ended role is none', () => {
    const record = new MemoryRecord(
      at('A01', [
        PID,
        'ROL|1|AD|PP^Primary Care^HL70443|11^Smith^John',
        'ROL|2|AD|PI^Interpreter^HL70443|12^Lee^Ann',
        'ROL|3|DE|PI^Interpreter^HL70443|13^Gone^Bob',
        PV1,
        'ROL|4|AD|AT^Attending^HL70443|14^Ward^Wil',
        'PR1|1||5^Repair^L||20260301',
        'ROL|5|AD|TN^Technician^HL70443|15^Tech^Tim',
      ]),
    );
    valid(record);
    expect(record.one('Patient').generalPractitioner).toMatchObject([{ display: 'John Smith' }]);
    expect(record.one('CareTeam').participant).toMatchObject([{ member: { display: 'Ann Lee' } }]);
    expect(record.one('Encounter').participant).toMatchObject([{ type: [{ coding: [{ code: 'ATND' }] }] }]);
    expect(record.one('Procedure').performer).toMatchObject([{ actor: { display: 'Tim Tech' } }]);
  });

  it('ARV, CON and PD1-12 mark what is beside the visit', () => {
    const record = take('DG1|1||I21.0^Infarction^I10', 'IN1|1|PPO^Gold||Aetna', 'ARV|1|A|DEM', 'ARV|2|A|HIV');
    expect(record.one('Condition').meta.security).toMatchObject([{ code: 'HIV' }]);
    expect(record.one('Coverage').meta.security).toMatchObject([{ code: 'R' }]);
    const consent = take('DG1|1||I21.0^Infarction^I10', 'CON|1|001');
    const ofPatient = consent.all().filter(({ resourceType }) => resourceType !== 'Location');
    expect(ofPatient.length).toBeGreaterThan(2);
    for (const resource of ofPatient) expect(resource.meta.security).toMatchObject([{ code: 'R' }]);
  });

  it('what nothing is made of is counted', () => {
    expect(normalize(at('A01', [PID, PV1, 'DG1|1', 'NTE|1||x', 'ACC|1', 'ZZZ|1'])).details).toMatchObject({
      unmapped: { ACC: 1, ZZZ: 1 },
      omissions: [{ location: 'DG1[1]-3', reason: 'no-code' }],
    });
  });
});
