import { describe, expect, it } from 'vitest';
import { validateResource } from '../../../../src/formats/fhir/validate.ts';
import { defects, MemoryRecord, normalize, oru } from '../../../support/hl7v2.ts';

/** A segment from its fields by number. */
function segment(id: string, fields: Readonly<Record<number, string>>): string {
  const last = Math.max(...Object.keys(fields).map(Number));
  return [id, ...Array.from({ length: last }, (_, i) => fields[i + 1] ?? '')].join('|');
}

/** An order message; `minute` tells messages of one hour apart. */
function order(type: string, segments: readonly string[], minute = 0): string {
  const time = `2026030112${String(minute).padStart(2, '0')}00+0100`;
  return [
    `MSH|^~\\&|EHR|HOSP|GW|HOSP|${time}||${type}|${type}-${minute}|P|2.5.1`,
    'PID|1||123^^^HOSP^MR||Doe^Jane||19800704|F',
    ...segments,
    '',
  ].join('\r');
}

const ORC = 'ORC|NW|P1^EHR||G1^EHR||||||||D1^Ho^Ann^^^^^^HOSP';
const OBR = 'OBR|1|P1^EHR||57021-8^CBC^LN';
const record = (...messages: string[]): MemoryRecord => {
  const made = new MemoryRecord(...messages);
  for (const resource of made.all()) expect(validateResource(resource), resource.resourceType).toEqual([]);
  return made;
};
const labels = (resource: any): string[] => (resource.meta.security ?? []).map(({ code }: { code: string }) => code);

describe('trap: an order and its results are one request', () => {
  const placed = order('ORM^O01', [ORC, OBR]);

  it('the report of the laboratory completes the request that the ward placed, and changes nothing else of it', () => {
    const report = oru({ obx: ['OBX|1|NM|1^A^L||1||||||F'] }).replace('57021-8^CBC^LN', '57021-8^Blood count^LN');
    expect(record(placed, report).one('ServiceRequest')).toMatchObject({
      status: 'completed',
      code: { coding: [{ display: 'CBC' }] },
      requester: { display: 'Ann Ho' },
      identifier: { length: 2 },
    });
  });

  it('an order that arrives after its report states the request and does not reopen it', () => {
    const report = oru({ msh7: '20260301110000+0100', obx: [] });
    expect(record(report, placed).one('ServiceRequest')).toMatchObject({
      status: 'completed',
      requester: { display: 'Ann Ho' },
    });
  });

  it('a timing that was ordered stays when a report only gives a moment', () => {
    const twice = order('OML^O21', [ORC, 'TQ1|1||BID|||||||||||', OBR]);
    const report = oru({ obx: [] }).replace('|57021-8^CBC^LN|||', '|57021-8^CBC^LN||20260301080000+0100|');
    expect(record(twice, report).one('ServiceRequest')).toMatchObject({
      occurrenceTiming: { repeat: { frequency: 2, period: 1, periodUnit: 'd' } },
    });
  });
});

describe('trap: order control', () => {
  it.each([
    ['NW', '', 'active'],
    ['CA', '', 'active'],
    ['OC', '', 'revoked'],
    ['DC', '', 'revoked'],
    ['OH', '', 'on-hold'],
    ['SC', 'CM', 'completed'],
    ['SC', 'ER', 'entered-in-error'],
    ['XX', '', 'active'],
  ])('ORC-1 %s with ORC-5 "%s" is %s', (control, state, status) => {
    const message = order('ORM^O01', [`ORC|${control}|P1^EHR|||${state}`, OBR]);
    expect(record(message).one('ServiceRequest').status).toBe(status);
  });

  it('a cancellation without OBR cancels the order that was placed and leaves what was ordered', () => {
    const made = record(order('OML^O21', [ORC, OBR]), order('OML^O21', ['ORC|OC|P1^EHR'], 5));
    expect(made.one('ServiceRequest')).toMatchObject({ status: 'revoked', code: { coding: [{ code: '57021-8' }] } });
  });

  it('held, released, cancelled: the same end in every order of arrival', () => {
    const messages = ['NW', 'OH', 'RL', 'OC'].map((control, i) =>
      order('ORM^O01', [ORC.replace('NW', control), OBR], i),
    );
    for (const arrival of [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [1, 3, 0, 2],
      [2, 0, 3, 1],
    ]) {
      const { status } = record(...arrival.map((i) => messages[i])).one('ServiceRequest');
      expect(status, String(arrival)).toBe('revoked');
    }
  });
});

describe('trap: grouping of orders', () => {
  it('OBX, DG1, NTE, TQ1 and SPM belong to their order', () => {
    const made = record(
      order('OML^O21', [
        ORC,
        'TQ1|1||||||||S',
        OBR,
        'NTE|1||about one',
        'DG1|1||D50^Anaemia^I10|||W',
        'OBX|1|NM|8302-2^Height^LN||170|cm|||||F',
        'SPM|1|S1&EHR||BLD^Blood^HL70487',
        'ORC|NW|P2^EHR',
        'OBR|2|P2^EHR||2345-7^Glucose^LN',
      ]),
    );
    const [first, second]: any[] = made.all('ServiceRequest');
    expect(first).toMatchObject({
      priority: 'stat',
      note: [{ text: 'about one' }],
      supportingInfo: { length: 1 },
      reasonReference: { length: 1 },
      specimen: { length: 1 },
    });
    for (const element of ['priority', 'note', 'supportingInfo', 'reasonReference', 'specimen'])
      expect(second[element], element).toBeUndefined();
    expect(made.one('Condition').code.coding[0].code).toBe('D50');
  });

  it('earlier results that an order is sent with are results, not orders', () => {
    const made = record(
      order('OML^O21', [
        ORC,
        OBR,
        'PV1|1|O',
        'ORC|RE',
        segment('OBR', { 3: 'F9^LAB', 4: '718-7^Hb^LN', 7: '20260101', 25: 'F' }),
        'OBX|1|NM|718-7^Hb^LN||7.1||||||F',
      ]),
    );
    expect(made.one('DiagnosticReport')).toMatchObject({ status: 'final', result: { length: 1 } });
    expect(made.all('ServiceRequest')).toHaveLength(2);
  });

  it('a specimen above its orders (OML O33) belongs to all of them', () => {
    const made = record(
      order('OML^O33', [
        'SPM|1|S1&EHR||BLD^Blood^HL70487',
        ORC,
        'TQ1|1||||||||S',
        OBR,
        'ORC|NW|P2^EHR',
        'OBR|2|P2^EHR||2345-7^Glucose^LN',
      ]),
    );
    expect(made.all('Specimen')).toHaveLength(1);
    const requests: any[] = made.all('ServiceRequest');
    expect(requests.map(({ specimen }) => specimen.length)).toEqual([1, 1]);
    expect(requests.map(({ priority }) => priority)).toEqual(['stat', undefined]);
  });

  it('diets and supplies are orders, too', () => {
    const diet = record(order('ORM^O01', [ORC, 'ODS|D||123^low salt^L|no salt']));
    expect(diet.one('NutritionOrder')).toMatchObject({ oralDiet: { instruction: 'no salt', type: { length: 1 } } });
    const supply = record(order('ORM^O01', [ORC, 'RQD|1|23455^Hip implant^L']));
    expect(supply.one('ServiceRequest').code.coding[0].code).toBe('23455');
  });
});

describe('trap: specimens', () => {
  it('a number with its assigner is one specimen in order and report; a bare number is one of its order', () => {
    const report = oru({ obx: ['OBX|1|NM|1^A^L||1||||||F', 'SPM|1|S1&EHR||BLD'] });
    expect(record(order('OML^O21', [ORC, OBR, 'SPM|1|S1&EHR||BLD']), report).all('Specimen')).toHaveLength(1);
    const bare = (n: number): string =>
      order('OML^O21', [ORC.replace('P1', `P${n}`), OBR.replace('P1', `P${n}`), 'SPM|1|1||BLD'], n);
    expect(record(bare(1), bare(2)).all('Specimen')).toHaveLength(2);
  });

  it('two specimens of one message that share one of their numbers stay two', () => {
    const made = record(order('OML^O21', [ORC, OBR, 'SPM|1|A&EHR^X&LAB||BLD', 'SPM|2|B&EHR^X&LAB||UR']));
    expect(made.all('Specimen')).toHaveLength(2);
    expect(made.one('ServiceRequest').specimen).toHaveLength(2);
  });

  it('a result before or behind its SPM names the specimen', () => {
    const made = record(oru({ obx: ['OBX|1|NM|1^A^L||1||||||F', 'SPM|1|S1&L||BLD', 'OBX|2|NM|2^B^L||1||||||F'] }));
    for (const observation of made.all('Observation')) expect(observation.specimen).toBeDefined();
    expect(made.one('DiagnosticReport')).toMatchObject({ specimen: { length: 1 }, result: { length: 2 } });
  });

  it('SPM-17 with an end is a period; OBR-15 of old versions is a specimen', () => {
    const [one, two] = ['20260301', '20260301^20260302'].map(
      (when) => record(oru({ obx: [segment('SPM', { 2: 'S1&L', 4: 'BLD', 17: when })] })).one('Specimen').collection,
    );
    expect(one).toEqual({ collectedDateTime: '2026-03-01' });
    expect(two).toEqual({ collectedPeriod: { start: '2026-03-01', end: '2026-03-02' } });
    const old = order('ORM^O01', [
      ORC,
      segment('OBR', { 2: 'P1^EHR', 4: '57021-8^CBC^LN', 15: 'BLD^EDTA&&HL70371^^LA&left arm' }),
    ]);
    expect(record(old).one('Specimen')).toMatchObject({
      type: { coding: [{ code: 'BLD' }] },
      collection: { bodySite: { coding: [{ code: 'LA' }] } },
    });
  });
});

describe('trap: microbiology, parent and child', () => {
  const culture = [
    segment('OBR', { 3: 'F1^LAB', 4: '600-7^Culture^LN', 7: '20260301', 25: 'F' }),
    'OBX|1|CWE|600-7^Culture^LN|1|112283007^E. coli^SCT||||||F',
    'OBX|2|CWE|600-7^Culture^LN|2|3092008^S. aureus^SCT||||||F',
  ];
  const child = (n: number, subId: string, value: string): string[] => [
    segment('OBR', {
      1: String(n),
      3: 'F1^LAB',
      4: '50545-3^Susceptibility^LN',
      7: '20260301',
      25: 'F',
      26: `600-7&Culture&LN^${subId}`,
      29: '^F1&LAB',
    }),
    `OBX|1|SN|28-1^Ampicillin^LN||^${value}||||||F`,
  ];
  const made = record(order('ORU^R01', [...culture, ...child(2, '1', '8'), ...child(3, '2', '2')]));

  it('two organisms with one panel, one number and one code keep their own results', () => {
    expect(made.all('DiagnosticReport')).toHaveLength(3);
    expect(made.all('Observation')).toHaveLength(4);
    const organisms: any[] = made.all('Observation').filter(({ hasMember }) => hasMember !== undefined);
    expect(organisms.map(({ hasMember }) => hasMember.length)).toEqual([1, 1]);
    expect(organisms[0].hasMember).not.toEqual(organisms[1].hasMember);
  });

  it('a susceptibility in another message finds its organism by OBR-29 and OBR-50, whichever comes first', () => {
    const late = (n: number, subId: string, value: string): string[] =>
      child(n, subId, value).map((line) =>
        line.startsWith('OBR') ? line.replace('||F1^LAB', `||S${n}^LAB`) + '|'.repeat(21) + '600-7^Culture^LN' : line,
      );
    const messages = [
      order('ORU^R01', culture, 1),
      order('ORU^R01', late(2, '1', '8'), 2),
      order('ORU^R01', late(3, '2', '2'), 3),
    ];
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2],
    ]) {
      const apart = record(...order.map((i) => messages[i]));
      expect(defects(apart)).toEqual([]);
      expect(apart.all('Observation')).toHaveLength(4);
      const organisms: any[] = apart.all('Observation').filter(({ hasMember }) => hasMember !== undefined);
      expect(organisms.map(({ status, hasMember }) => [status, hasMember.length])).toEqual([
        ['final', 1],
        ['final', 1],
      ]);
      for (const { hasMember, valueCodeableConcept } of organisms) {
        const [{ reference }] = hasMember;
        const member: any = apart.all('Observation').find(({ id }) => `Observation/${id}` === reference);
        expect(Number(member.valueQuantity.value)).toBe(valueCodeableConcept.coding[0].display === 'E. coli' ? 8 : 2);
      }
    }
  });

  it('OBR-29 names the parent order', () => {
    const apart = record(
      order(
        'ORU^R01',
        child(1, '1', '8').map((line) => line.replace('||F1^LAB', '||F2^LAB')),
      ),
    );
    expect(apart.one('ServiceRequest').basedOn).toEqual([
      { type: 'ServiceRequest', identifier: expect.objectContaining({ value: 'F1' }) },
    ]);
  });
});

describe('trap: prescriptions', () => {
  const RXE = 'RXE||308191^amoxicillin 250 mg^RXNORM|250||mg^mg^UCUM|CAP^Capsule|with food|||30|{capsule}|2';
  const rde = (...details: string[]): any => record(order('RDE^O11', [ORC, ...details])).one('MedicationRequest');

  it('the encoded order comes before the requested one, field by field', () => {
    const request = rde('RXO|1^old^L|100||mg', 'RXR|IV', RXE, 'TQ1|1||TID', 'RXR|PO^Oral^HL70162');
    expect(request).toMatchObject({
      status: 'active',
      intent: 'order',
      contained: [{ resourceType: 'Medication', code: { coding: [{ code: '308191' }] }, form: {} }],
      medicationReference: { reference: '#medication' },
      dosageInstruction: [
        {
          text: 'with food',
          timing: { repeat: { frequency: 3, period: 1, periodUnit: 'd' } },
          route: { coding: [{ code: 'PO' }, { code: 'PO' }] },
          doseAndRate: [{ doseQuantity: { unit: 'mg', code: 'mg' } }],
        },
      ],
      dispenseRequest: { numberOfRepeatsAllowed: 2 },
    });
  });

  it('the components of a compound are its ingredients', () => {
    const [medication] = rde(RXE, 'RXR|IV', 'RXC|B|1^Saline^L|1000|ml', 'RXC|A|2^KCl^L|20|mmol').contained;
    expect(medication.ingredient.map(({ isActive }: any) => isActive)).toEqual([undefined, true]);
  });

  it('a product that becomes a plain code leaves nothing contained behind', () => {
    const plain = order('RDE^O11', [ORC, 'RXE||308191^amoxicillin^RXNORM|1'], 5);
    const request = record(order('RDE^O11', [ORC, RXE]), plain).one('MedicationRequest');
    expect(request.contained).toBeUndefined();
    expect(request.medicationReference).toBeUndefined();
  });

  it.each([
    ['DC', 'stopped'],
    ['OC', 'cancelled'],
    ['OH', 'on-hold'],
  ])('ORC-1 %s is %s', (control, status) => {
    const later = order('RDE^O11', [ORC.replace('NW', control), RXE], 5);
    expect(record(order('RDE^O11', [ORC, RXE]), later).one('MedicationRequest').status).toBe(status);
  });

  it('one number for two products in one message does not lose one of them', () => {
    const twice = order('RDE^O11', [ORC, RXE, ORC, RXE.replace('308191', '1')]);
    expect(record(twice).all('MedicationRequest')).toHaveLength(2);
  });

  it('several TQ1 are dosages one after the other, or side by side', () => {
    const order2 = (conjunction: string): any =>
      record(
        order('RDE^O11', [
          ORC,
          'RXE||2^prednisone^L|20||mg',
          segment('TQ1', { 1: '1', 3: 'BID', 7: '20260301', 8: '20260305', 12: conjunction }),
          segment('TQ1', { 1: '2', 2: '10^mg', 3: 'QD', 7: '20260306' }),
        ]),
      ).one('MedicationRequest').dosageInstruction;
    expect(order2('S').map(({ sequence }: any) => sequence)).toEqual([1, 2]);
    expect(order2('A').map(({ sequence }: any) => sequence)).toEqual([1, 1]);
    expect(order2('S')[1].timing.repeat).toMatchObject({ frequency: 1, boundsPeriod: { start: '2026-03-06' } });
  });

  it('TQ1-2 is the dose where RXO says none; RXO-21 to 23 are the rate and the most in a day', () => {
    const rxo = segment('RXO', { 1: '2^saline^L', 21: '125', 22: 'mL/h', 23: '3000^mL' });
    const [dosage] = record(order('ORM^O01', [ORC, 'TQ1|1|500^mL|QD', rxo])).one('MedicationRequest').dosageInstruction;
    expect(dosage).toMatchObject({
      doseAndRate: [{ doseQuantity: { unit: 'mL' }, rateQuantity: { unit: 'mL/h' } }],
      maxDosePerPeriod: { numerator: { unit: 'mL' } },
    });
  });

  it('details of a service without its code are left out: R4 rule prr-1', () => {
    const cancelled = order('ORM^O01', ['ORC|CA|P1^EHR', segment('OBR', { 1: '1', 46: 'X1^Detail^L' })]);
    expect(record(cancelled).one('ServiceRequest').orderDetail).toBeUndefined();
  });

  it('PRN, hours, old TQ', () => {
    const dosage = (tq1: string): any => rde(RXE, tq1).dosageInstruction[0];
    expect(dosage('TQ1|1||PRN').asNeededBoolean).toBe(true);
    expect(dosage('TQ1|1||Q6H').timing.repeat).toEqual({ frequency: 1, period: 6, periodUnit: 'h' });
    const old = segment('ORC', { 1: 'NW', 2: 'P1^EHR', 7: '1^Q8H^D10^20260301^^S' });
    expect(record(order('RDE^O11', [old, RXE])).one('MedicationRequest')).toMatchObject({
      priority: 'stat',
      dosageInstruction: [{ timing: { repeat: { period: 8, periodUnit: 'h', boundsDuration: { code: 'd' } } } }],
    });
  });
});

describe('trap: doses that were given', () => {
  const rxa = (time: string, completion = 'CP', action = ''): string =>
    segment('RXA', {
      1: '0',
      2: '1',
      3: time,
      5: '308191^amoxicillin^RXNORM',
      6: '250',
      7: 'mg^mg^UCUM',
      20: completion,
      21: action,
    });
  const given = (...lines: string[]): MemoryRecord => record(order('RAS^O17', [ORC, ...lines, 'RXR|PO']));

  it('a counter that stays at 1 does not make two doses one', () => {
    const made = given(rxa('20260301080000+0100'), rxa('20260301160000+0100'));
    const doses: any[] = made.all('MedicationAdministration');
    expect(doses).toHaveLength(2);
    for (const dose of doses)
      expect(dose).toMatchObject({
        dosage: { route: {}, dose: { unit: 'mg' } },
        request: { reference: expect.any(String) },
      });
    expect(made.all('MedicationRequest')).toHaveLength(1);
  });

  it.each([
    ['CP', '', 'completed'],
    ['RE', '', 'not-done'],
    ['NA', '', 'not-done'],
    ['CP', 'D', 'entered-in-error'],
  ])('RXA-20 %s and RXA-21 "%s" are %s', (completion, action, status) => {
    expect(given(rxa('20260301080000+0100', completion, action)).one('MedicationAdministration').status).toBe(status);
  });

  it('a dose repeats its order and does not overwrite it', () => {
    const made = record(
      order('RDE^O11', [ORC, 'RXE||308191^amoxicillin 250 mg^RXNORM|250||mg|CAP']),
      order('RAS^O17', [ORC.replace('NW', 'RE'), rxa('20260301080000+0100')], 5),
    );
    expect(made.one('MedicationRequest')).toMatchObject({ status: 'active', contained: { length: 1 } });
  });

  it('an instruction to give (RGV) is an order of its own, based on its prescription', () => {
    const rxg = (n: string, amount: string): string =>
      segment('RXG', {
        1: n,
        3: '^BID',
        4: '308191^amoxicillin^RXNORM',
        5: amount,
        7: 'mg',
        9: 'with food',
        15: '20',
        16: 'mL/h',
        22: 'J02^Pharyngitis^I10',
      });
    const made = record(
      order('RDE^O11', [ORC, 'RXE||308191^amoxicillin^RXNORM|250||mg']),
      order('RGV^O15', [ORC.replace('NW', 'RE'), rxg('1', '250'), 'RXR|PO', rxg('2', '500')], 5),
    );
    const [prescription, ...given]: any[] = made.all('MedicationRequest');
    expect(prescription.intent).toBe('order');
    expect(given.map(({ intent }) => intent)).toEqual(['instance-order', 'instance-order']);
    expect(given[0]).toMatchObject({
      basedOn: [{ reference: `MedicationRequest/${prescription.id}` }],
      note: [{ text: 'with food' }],
      reasonCode: [{ coding: [{ code: 'J02' }] }],
      dosageInstruction: [
        {
          route: { coding: [{ code: 'PO' }, { code: 'PO' }] },
          timing: { repeat: { frequency: 2 } },
          doseAndRate: [{ doseQuantity: { unit: 'mg' }, rateQuantity: { unit: 'mL/h' } }],
        },
      ],
    });
    expect(defects(made)).toEqual([]);
  });

  it('a dispense names its prescription', () => {
    const rxd = segment('RXD', {
      1: '1',
      2: '308191^amoxicillin^RXNORM',
      3: '20260301',
      4: '30',
      7: 'RX7',
      9: 'take with food',
      18: 'LOT1',
      19: '20270101',
    });
    const made = record(order('RDS^O13', [ORC, rxd]));
    expect(made.one('MedicationDispense')).toMatchObject({
      whenHandedOver: '2026-03-01',
      contained: [{ batch: { lotNumber: 'LOT1', expirationDate: '2027-01-01' } }],
      note: [{ text: 'take with food' }],
      authorizingPrescription: { length: 1 },
    });
  });
});

describe('imaging orders (OMI O23) and the O01 of old versions', () => {
  it('IPC is the accession number and the study', () => {
    const made = record(order('OMI^O23', [ORC, OBR, 'IPC|A77^RIS|RP1|1.2.840.77|SPS1']));
    expect(made.one('ServiceRequest').identifier).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ value: 'A77', type: { coding: [expect.objectContaining({ code: 'ACSN' })] } }),
        { system: 'urn:dicom:uid', value: 'urn:oid:1.2.840.77' },
      ]),
    );
  });

  it.each([
    ['RDE^O01', 'RXE||1^x^L|1', 'MedicationRequest'],
    ['RDS^O01', 'RXD|1|1^x^L|20260301', 'MedicationDispense'],
    ['RAS^O01', 'RXA|0|1|20260301||1^x^L', 'MedicationAdministration'],
  ])('%s', (type, segment, resource) => {
    expect(record(order(type, [ORC, segment])).all(resource)).toHaveLength(1);
  });
});

describe('labels of orders before encryption', () => {
  it.each([
    ['ORM^O01', [OBR], 'ServiceRequest'],
    ['RDE^O11', ['RXE||1^x^L|1'], 'MedicationRequest'],
    ['RDS^O13', ['RXD|1|1^x^L|20260301'], 'MedicationDispense'],
    ['RAS^O17', ['RXA|0|1|20260301||1^x^L'], 'MedicationAdministration'],
    ['VXU^V04', ['RXA|0|1|20260301||1^x^L'], 'Immunization'],
    ['OML^O21', [OBR, 'SPM|1|S1&L||BLD'], 'Specimen'],
    ['ORM^O01', ['ODS|D||1^x^L'], 'NutritionOrder'],
  ])('ORC-28 of %s', (type, segments, resource) => {
    const orc = segment('ORC', { 1: 'RE', 2: 'P1^EHR', 28: 'ETH^^HL70177' });
    expect(labels(record(order(type, [orc, ...segments])).one(resource))).toEqual(['ETH']);
  });

  it('OBX-13 marks what supports an order; MSH-8 marks all of it', () => {
    const message = order('OML^O21', [ORC, OBR, 'OBX|1|ST|1^A^L||x||||||F||PSY']);
    expect(labels(record(message).one('Observation'))).toEqual(['PSY']);
    expect(labels(record(message.replace('+0100||', '+0100|HIV|')).one('ServiceRequest'))).toEqual(['HIV']);
  });
});

describe('what is refused', () => {
  it.each([
    ['an order without OBR-4', order('ORM^O01', [ORC, 'OBR|1|P1']), 'OBR[1]-4'],
    ['RDE without RXE', order('RDE^O11', [ORC]), 'RXE'],
    ['RDE without a product', order('RDE^O11', [ORC, 'RXE|']), 'RXE-2'],
    ['RDS without RXD', order('RDS^O13', [ORC]), 'RXD'],
    ['RAS without a time', order('RAS^O17', [ORC, 'RXA|0|1|||1^x^L']), 'RXA-3'],
    ['VXU without RXA', order('VXU^V04', [ORC]), 'RXA'],
  ])('%s', (_name, message, expression) => {
    expect(() => normalize(message)).toThrow(expect.objectContaining({ code: 'required-missing', expression }));
  });
});
