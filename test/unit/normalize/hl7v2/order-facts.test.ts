import { describe, expect, it } from 'vitest';
import { validateResource } from '../../../../src/formats/fhir/validate.ts';
import { hl7, MemoryRecord, normalize, segment } from '../../../support/hl7v2.ts';

const PID = 'PID|1||123^^^HOSP^MR||Doe^Jane||19800704|F';
type Fields = Readonly<Record<number, string>>;
const orc = (fields: Fields = {}): string => segment('ORC', { 1: 'NW', 2: 'P1^EHR', ...fields });
const obr = (fields: Fields = {}): string => segment('OBR', { 1: '1', 2: 'P1^EHR', 4: '57021-8^CBC^LN', ...fields });
const SPM = 'SPM|1|S1&EHR^S2&LAB||BLD^Blood^HL70487';

/** The record after an order, or after a report; every resource of it is valid R4. */
const taken = (type: string, ...segments: string[]): MemoryRecord => {
  const record = new MemoryRecord(hl7(type, [PID, ...segments]));
  for (const resource of record.all()) expect(validateResource(resource), resource.resourceType).toEqual([]);
  return record;
};
const requested = (...segments: string[]): any => taken('OML^O21', ...segments).one('ServiceRequest');
const specimen = (...segments: string[]): any => taken('OML^O21', orc(), ...segments).one('Specimen');
const extensions = (request: any, name: string): any[] =>
  (request.extension ?? []).filter(({ url }: { url: string }) => url.endsWith(name));

describe('trap: what an order says beside its service', () => {
  it('whom to call back: OBR-17, else ORC-14', () => {
    const name = 'servicerequest-order-callback-phone-number';
    const ordered = requested(orc({ 14: '^WPN^PH^^^555^1' }), obr());
    expect(extensions(ordered, name)).toMatchObject([{ valueContactPoint: { system: 'phone' } }]);
    const both = requested(orc({ 14: '^WPN^PH^^^555^1' }), obr({ 17: '^NET^Internet^ward@hosp.example' }));
    expect(extensions(both, name)).toMatchObject([{ valueContactPoint: { value: 'ward@hosp.example' } }]);
  });

  it('what the laboratory should know (OBR-13); fasting is of the specimen', () => {
    const told = requested(orc(), obr({ 13: '^history of CLL' }));
    expect(extensions(told, 'supportingInfo')).toMatchObject([
      { extension: [{ url: '_datatype' }, { url: 'concept', valueCodeableConcept: { text: 'history of CLL' } }] },
    ]);
    const record = taken('OML^O21', orc(), obr({ 13: 'F^Fasting^HL70916' }));
    expect(record.one('ServiceRequest').extension).toBeUndefined();
    expect(record.one('Specimen').collection.fastingStatusCodeableConcept.coding).toMatchObject([{ code: 'F' }]);
  });

  it('group numbers of the placer and the filler, as EI and as EIP', () => {
    expect(requested(orc({ 4: 'G1^EHR', 38: 'G2^LAB' }), obr())).toMatchObject({
      requisition: { value: 'G1', assigner: { display: 'EHR' } },
      identifier: expect.arrayContaining([expect.objectContaining({ value: 'G2' })]),
    });
    expect(requested(orc({ 4: 'G1&EHR^G2&LAB' }), obr())).toMatchObject({
      requisition: { value: 'G1' },
      identifier: expect.arrayContaining([expect.objectContaining({ value: 'G2' })]),
    });
  });

  it('the address of the orderer; that of the facility where nobody is named', () => {
    const record = taken('OML^O21', orc({ 12: 'D1^Ho^Ann^^^^^^HOSP', 24: '1 Main^^Town' }), obr());
    expect(record.one('Practitioner').address).toMatchObject([{ city: 'Town' }]);
    const facility = taken(
      'OML^O21',
      orc({ 21: 'Clinic^L^^^^HOSP^XX^^^C1', 22: '2 Side^^Village', 23: '^WPN^PH^^^555^2' }),
      obr(),
    );
    expect(facility.one('Organization')).toMatchObject({
      address: [{ city: 'Village' }],
      telecom: [{ system: 'phone' }],
    });
  });

  it('ORC-29 is a place by the map OrderType, and keeps its code', () => {
    const [place] = requested(orc({ 29: 'I' }), obr()).locationCode;
    expect(place.coding.map(({ code }: any) => code)).toEqual(['HOSP', 'I']);
  });

  it('OBR-54 names the parent order; a reflex test says what called for it', () => {
    const child = requested(orc(), obr({ 26: '600-7&Culture&LN^1^E. coli', 54: 'P0&EHR^F0&LAB' }));
    expect(child).toMatchObject({
      basedOn: [{ identifier: { value: 'F0' } }],
      reasonCode: [{ coding: [{ code: '600-7' }], text: '1: E. coli' }],
    });
  });
});

describe('trap: who took part in an order', () => {
  const prt = (role: string, person: string): string => segment('PRT', { 2: 'AD', 4: `${role}^x^HL70912`, 5: person });
  const rol = (role: string, person: string): string => segment('ROL', { 2: 'AD', 3: `${role}^x^HL70443`, 4: person });

  it.each([
    ['PRT', prt],
    ['ROL', rol],
  ])('%s: the orderer is the requester, the interpreter interprets, the collector collected', (_, role) => {
    const record = taken(
      'ORU^R01',
      orc({ 1: 'RE' }),
      obr({ 25: 'F' }),
      role('OP', 'D1^Order^Ann^^^^^^HOSP'),
      role('PRI', 'D2^Read^Bo^^^^^^HOSP'),
      role('SC', 'D3^Draw^Cy^^^^^^HOSP'),
      role('TN', 'D4^Tech^Di^^^^^^HOSP'),
      'OBX|1|NM|718-7^Hb^LN||8||||||F',
      SPM,
    );
    expect(record.one('ServiceRequest').requester).toMatchObject({ display: 'Ann Order' });
    expect(record.one('DiagnosticReport')).toMatchObject({
      resultsInterpreter: [{ display: 'Bo Read' }],
      performer: [{ display: 'Di Tech' }],
    });
    expect(record.one('Specimen').collection.collector).toMatchObject({ display: 'Cy Draw' });
  });

  it('an organisation collects no specimen and asserts no problem: R4 takes persons there', () => {
    const lab = (role: string): string =>
      segment('PRT', { 2: 'AD', 4: `${role}^x^HL70912`, 8: 'Lab^L^^^^HOSP^XX^^^9' });
    expect(taken('OML^O21', orc(), obr(), lab('SC'), SPM).one('Specimen').collection).toBeUndefined();
    expect(taken('PPR^PC1', 'PRB|AD|20260301|K50^Crohn^I10', lab('AT')).one('Condition').asserter).toBeUndefined();
    const visit = taken('ADT^A01', 'PV1|1|I|W1||||||||||||||||V1^^^HOSP^VN', lab('AT')).one('Encounter');
    expect(visit.participant).toBeUndefined();
  });

  it('ROL behind an order of a message with claimed segments is read as well', () => {
    const message = hl7('RDE^O11', [
      PID,
      'AL1|1||A1^Nuts^L',
      orc(),
      rol('OP', 'D1^Order^Ann^^^^^^HOSP'),
      'RXE||2^x^L|1||mg',
    ]);
    expect(normalize(message).details.unmapped).toBeUndefined();
  });
});

describe('trap: specimens', () => {
  it('OBR fills in what its only SPM leaves out, and nothing else', () => {
    const filled = specimen(
      obr({ 7: '20260301080000+0100', 10: 'D3^Draw^Cy^^^^^^HOSP', 14: '20260301090000+0100' }),
      SPM,
    );
    expect(filled).toMatchObject({
      receivedTime: '2026-03-01T09:00:00+01:00',
      collection: { collectedDateTime: '2026-03-01T08:00:00+01:00', collector: { display: 'Cy Draw' } },
    });
    const stated = specimen(obr({ 7: '20260301080000+0100' }), `${SPM}|||||||||||||20260301070000+0100`);
    expect(stated.collection.collectedDateTime).toBe('2026-03-01T07:00:00+01:00');
    const two = taken(
      'OML^O21',
      orc(),
      obr({ 7: '20260301080000+0100' }),
      SPM,
      SPM.replaceAll('S', 'T').replace('TPM', 'SPM'),
    );
    for (const each of two.all('Specimen')) expect(each.collection).toBeUndefined();
  });

  it('one specimen of several orders names all of them', () => {
    const record = taken('OML^O33', SPM, orc(), obr(), orc({ 2: 'P2^EHR' }), obr({ 2: 'P2^EHR' }));
    expect(record.one('Specimen').request).toHaveLength(2);
  });

  it('modifiers of type and site, and why it was rejected, are not lost', () => {
    const spm = segment('SPM', {
      1: '1',
      2: 'S1&EHR',
      4: 'TISS',
      5: '^wet',
      8: 'LL^Leg^HL70163',
      9: '^left',
      21: 'RB^broken',
    });
    expect(specimen(obr(), spm)).toMatchObject({
      note: [{ text: 'wet' }, { text: 'left' }],
      condition: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0490', code: 'RB' }] }],
    });
  });

  it('SAC is a container with its number, volumes and additive', () => {
    const sac = segment('SAC', { 2: 'A7^LAB', 3: 'C1^LAB', 21: '5', 22: '3.5', 24: 'mL^^UCUM', 27: 'EDTK' });
    expect(specimen(obr(), `${SPM}`, sac, segment('SAC', { 3: 'C2^LAB' }))).toMatchObject({
      accessionIdentifier: { value: 'A7' },
      container: [
        {
          identifier: [{ value: 'C1' }],
          capacity: { code: 'mL' },
          specimenQuantity: { code: 'mL' },
          additiveCodeableConcept: { coding: [{ code: 'EDTK' }] },
        },
        { identifier: [{ value: 'C2' }] },
      ],
    });
  });

  it('a SAC that says nothing is no container', () => {
    expect(specimen(obr(), `${SPM}`, 'SAC|1')).not.toHaveProperty('container');
    expect(specimen(obr(), `${SPM}`, 'SAC|1', segment('SAC', { 3: 'C2^LAB' }))).toMatchObject({
      container: [{ identifier: [{ value: 'C2' }] }],
    });
  });
});
