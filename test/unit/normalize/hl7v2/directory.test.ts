import { describe, expect, it } from 'vitest';
import { adt, defects, hl7, MemoryRecord, oru, segment } from '../../../support/hl7v2.ts';

const PID = 'PID|1||123^^^HOSP^MR||Doe^Jane||19800704|F';
const stay = (pv1: Readonly<Record<number, string>>, event = 'A01', day = 1): string =>
  adt(event, [PID, segment('PV1', { 2: 'I', 19: 'V1', ...pv1 })], `202603${String(day).padStart(2, '0')}120000+0100`);

describe('places of visits', () => {
  it('a bed is part of its room, floor, ward, building and facility, each one Location', () => {
    const record = new MemoryRecord(stay({ 3: 'W1^12^B^NORTH^^^MAIN^2^by the window^L77&HOSP', 40: 'O' }));
    expect(defects(record)).toEqual([]);
    const chain: any[] = [];
    let at: any = record.one('Encounter').location[0].location;
    while (at !== undefined) {
      const place: any = record.all('Location').find(({ id }) => `Location/${id}` === at.reference);
      chain.push(place);
      at = place.partOf;
    }
    expect(chain.map(({ name, physicalType }) => [name, physicalType.coding[0].code])).toEqual([
      ['B', 'bd'],
      ['12', 'ro'],
      ['2', 'lvl'],
      ['W1', 'wa'],
      ['MAIN', 'bu'],
      ['NORTH', 'si'],
    ]);
    expect(chain[0]).toMatchObject({
      description: 'by the window',
      identifier: [{ value: 'B' }, { value: 'L77' }],
      operationalStatus: { code: 'O' },
    });
  });

  it('two beds of one room share it; equal names of two facilities do not meet', () => {
    const room = new MemoryRecord(stay({ 3: 'W1^12^A^NORTH' }), stay({ 3: 'W1^12^B^NORTH' }, 'A02', 2));
    expect(room.all('Location').map(({ name }) => name)).toEqual(['NORTH', 'W1', '12', 'A', 'B']);
    const places = new MemoryRecord(stay({ 3: 'W1^^^NORTH' }), stay({ 3: 'W1^^^SOUTH' }, 'A02', 2));
    expect(places.all('Location').map(({ name }) => name)).toEqual(['NORTH', 'W1', 'SOUTH', 'W1']);
  });

  it('the master file and the visit speak of the same Location', () => {
    const mfn = hl7('MFN^M05', ['MFI|LOC||UPD', 'MFE|MAD|||W1', 'LOC|W1^12^B^NORTH|Bed at the window|B']);
    for (const record of [new MemoryRecord(mfn, stay({ 3: 'W1^12^B^NORTH^O' }, 'A01', 2))]) {
      const { location } = record.one('Encounter').location[0];
      const bed: any = record.all('Location').find(({ id }) => `Location/${id}` === location.reference);
      expect(bed.name).toBe('Bed at the window');
    }
  });

  it('a result that repeats the visit names the place by text: a laboratory is no directory of wards', () => {
    const pv1 = segment('PV1', { 2: 'I', 3: 'W1^12', 19: 'V1' });
    const message = oru({ obx: ['OBX|1|NM|1^A^L||1.0|g|||||F'] }).replace(
      'OBR|1',
      `${pv1}
OBR|1`,
    );
    const record = new MemoryRecord(message);
    expect(record.all('Location')).toEqual([]);
    expect(record.one('Encounter').location).toEqual([{ location: { display: 'W1 12' }, status: 'active' }]);
  });

  it('A20 tells the state of a bed, the same that visits refer to', () => {
    const bed = (status: string, day: number): string =>
      adt('A20', [`NPU|W1^12^B^NORTH|${status}`], `202603${String(day).padStart(2, '0')}120000+0100`);
    const record = new MemoryRecord(stay({ 3: 'W1^12^B^NORTH', 40: 'O' }), bed('H', 2), bed('U', 3));
    const beds: any[] = record.all('Location').filter(({ operationalStatus }) => operationalStatus !== undefined);
    expect(beds.map(({ name, operationalStatus }) => [name, operationalStatus.code])).toEqual([['B', 'U']]);
    const later = new MemoryRecord(stay({ 3: 'W1', 40: 'O' }), stay({ 3: 'W1', 40: 'U' }, 'A02', 2));
    expect(later.one('Location').operationalStatus.code).toBe('U');
    expect(() => new MemoryRecord(adt('A20', ['NPU||U']))).toThrow(expect.objectContaining({ expression: 'NPU[1]-1' }));
  });

  it('PV1-54 is an episode that its visits share', () => {
    const record = new MemoryRecord(
      stay({ 53: 'Pregnancy', 54: 'E1^^^HOSP' }),
      stay({ 19: 'V2', 54: 'E1^^^HOSP' }, 'A01', 2),
    );
    const episode = record.one('EpisodeOfCare');
    expect(episode).toMatchObject({ status: 'active', identifier: [{ value: 'E1' }] });
    const visits = record.all('Encounter').map(({ episodeOfCare }: any) => episodeOfCare[0].reference);
    expect(visits).toEqual([`EpisodeOfCare/${episode.id}`, `EpisodeOfCare/${episode.id}`]);
    expect(defects(record)).toEqual([]);
  });
});

describe('who and what made a result', () => {
  const obx = segment('OBX', {
    1: '1',
    2: 'NM',
    3: '1^A^L',
    5: '1.0',
    10: 'A~S',
    11: 'F',
    16: '7^Lee^Bo',
    18: 'AN-1^LAB',
    23: 'Central Lab^^^^^^XX^^^77',
    24: '1 Main^^Town',
    25: '9^Chief^Eve',
  });

  it('OBX-23 to 25: the laboratory with its address, and who leads it', () => {
    const record = new MemoryRecord(oru({ obx: [obx] }));
    expect(defects(record)).toEqual([]);
    expect(record.one('Organization')).toMatchObject({ name: 'Central Lab', address: [{ city: 'Town' }] });
    expect(record.one('Observation').performer).toMatchObject([
      { display: 'Bo Lee' },
      { display: 'Central Lab' },
      { display: 'Eve Chief', extension: [{ valueCodeableConcept: { coding: [{ code: 'MDIR' }] } }] },
    ]);
  });

  it('an organisation has no home, whatever its sender calls its address and number', () => {
    const home = obx.replace('1 Main^^Town', '1 Main^^Town^^^^H');
    const orc = segment('ORC', { 1: 'RE', 21: 'Ward 3^^^^^^XX^^^W3', 22: '2 Main^^Town^^^^H', 23: '^PRN^PH^^^30^555' });
    const record = new MemoryRecord(oru({ obx: [home] }).replace('OBR|', `${orc}\rOBR|`));
    expect(defects(record)).toEqual([]);
    const organizations = record.all('Organization');
    expect(organizations).toHaveLength(2);
    expect(organizations).toContainEqual(
      expect.objectContaining({ telecom: [expect.not.objectContaining({ use: 'home' })] }),
    );
  });

  it('OBX-10 and OBX-18: the nature of the abnormality, and the device, once', () => {
    const record = new MemoryRecord(oru({ obx: [obx, obx.replace('1^A^L', '2^B^L')] }));
    const device = record.one('Device');
    expect(device.identifier).toMatchObject([{ value: 'AN-1' }]);
    for (const { device: reference } of record.all('Observation') as any[])
      expect(reference).toEqual({ reference: `Device/${device.id}`, display: 'AN-1' });
    const natures = (record.all('Observation')[0] as any).extension.map(
      (each: any) => each.valueCodeableConcept.coding[0],
    );
    expect(natures).toMatchObject([{ code: 'A' }, { code: 'S' }]);
  });

  it('OBR-34 and 35: technician and transcriptionist of the report', () => {
    const message = oru({ obx: [obx] }).replace(/(OBR[^\r]*)/, '$1|||||||||8&Tech&Tim|6&Type&Ann');
    expect(new MemoryRecord(message).one('DiagnosticReport').performer).toMatchObject([
      { display: 'Central Lab' },
      { display: 'Tim Tech', extension: [{ valueCodeableConcept: { coding: [{ code: 'SPRF' }] } }] },
      { display: 'Ann Type', extension: [{ valueCodeableConcept: { coding: [{ code: 'TRANS' }] } }] },
    ]);
  });
});

describe('PRT behind results and orders', () => {
  const prt = segment('PRT', {
    2: 'AD',
    4: 'AT^Attending^HL70912',
    5: '7^Lee^Bo',
    9: 'W1^12',
    10: 'AN-2^LAB',
    16: '00844588003288',
    18: '20270101',
    19: 'L9',
  });

  it('names who and what took part in a result, and where', () => {
    const record = new MemoryRecord(oru({ obx: ['OBX|1|NM|1^A^L||1.0|g|||||F', prt, 'NTE|1||note'] }));
    expect(defects(record)).toEqual([]);
    expect(record.one('Device')).toMatchObject({
      identifier: [{ value: 'AN-2' }],
      lotNumber: 'L9',
      expirationDate: '2027-01-01',
      udiCarrier: [{ deviceIdentifier: '00844588003288' }],
    });
    const result = record.one('Observation');
    expect(result.note).toMatchObject([{ text: 'note' }]);
    expect(result.device.reference).toBe(`Device/${record.one('Device').id}`);
    expect(result.performer).toMatchObject([
      { display: 'Bo Lee', extension: [{ valueCodeableConcept: { coding: [{ code: 'ATND' }] } }] },
    ]);
    expect(result.extension).toMatchObject([{ valueReference: { display: 'W1 12' } }]);
  });

  it('names who is to carry out an order', () => {
    const order = ['ORC|NW|P1^EHR', 'OBR|1|P1^EHR||1^CBC^L', prt.replace('AT^Attending', 'SB^Send by')];
    const record = new MemoryRecord(hl7('OML^O21', [PID, ...order]));
    expect(record.one('ServiceRequest').performer).toMatchObject([{ display: 'Bo Lee' }]);
    expect(defects(record)).toEqual([]);
  });
});

describe('data types', () => {
  it('the degree of a practitioner (XCN.7) is a qualification and stands behind the name', () => {
    const person = (degree: string): any =>
      new MemoryRecord(stay({ 7: `7^House^Greg^^^Dr^${degree}` })).one('Practitioner');
    expect(person('MD')).toMatchObject({
      name: [{ suffix: ['MD'] }],
      qualification: [{ code: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0360', code: 'MD' }] } }],
    });
    expect(person('M.D., Ph.D.').qualification).toEqual([{ code: { text: 'M.D., Ph.D.' } }]);
    expect(person('').qualification).toBeUndefined();
  });

  it('a check digit stays beside its number', () => {
    const patient = new MemoryRecord(adt('A31', ['PID|1||123^9^M10^HOSP^MR||Doe'])).one('Patient');
    expect(patient.identifier[0].extension).toEqual([
      { url: 'http://hl7.org/fhir/StructureDefinition/identifier-checkDigit', valueString: '9' },
      { url: 'http://hl7.org/fhir/StructureDefinition/namingsystem-checkDigit', valueString: 'M10' },
    ]);
  });

  it('an Internet address without an address is a telephone number; XTN.12 is the number as it is written', () => {
    const telecom = (xtn: string): unknown =>
      new MemoryRecord(adt('A31', [`PID|1||123||Doe||||||||${xtn}`])).one('Patient').telecom;
    expect(telecom('281-3308004^^Internet')).toEqual([{ system: 'phone', value: '281-3308004', use: 'home' }]);
    expect(telecom('a@b.example^^Internet')).toMatchObject([{ system: 'email', value: 'a@b.example' }]);
    expect(telecom('^PRN^PH^^1^720^3013954^^^^^+1 720 301 3954')).toMatchObject([{ value: '+1 720 301 3954' }]);
  });

  it('alternate codes stay beside the one that a map gives', () => {
    const [contact] = new MemoryRecord(
      adt('A31', ['PID|1||123||Doe', 'NK1|1|Roe^Al|OTH^Other^HL70063^OT^Cousin^L']),
    ).one('Patient').contact;
    expect(contact.relationship[0].coding).toMatchObject([{ code: 'O' }, { code: 'OT', display: 'Cousin' }]);
  });

  it('PID-28, 35, 36 and 39: nationality, animals and tribes', () => {
    const pid = segment('PID', {
      3: '1',
      5: 'Rex',
      28: 'USA',
      35: 'L-80700^Canine^SNM',
      36: 'L-80733^Whippet^SNM',
      39: '338^Poarch',
    });
    const record = new MemoryRecord(adt('A31', [pid]));
    expect(defects(record)).toEqual([]);
    expect(record.one('Patient').extension.map(({ url }: any) => url.split('/').at(-1))).toEqual([
      'patient-citizenship',
      'patient-nationality',
      'patient-animal',
    ]);
  });
});
