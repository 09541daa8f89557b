import { describe, expect, it } from 'vitest';
import { stringifyFhirJson } from '../../../../src/formats/fhir/json.ts';
import { validateResource } from '../../../../src/formats/fhir/validate.ts';
import { adt, hl7, MemoryRecord, normalize, oru, RECEIVED_AT, segment, type OruParts } from '../../../support/hl7v2.ts';

/** The only Observation of an ORU with one OBX. */
const observe = (obx: string, parts: Partial<OruParts> = {}): any =>
  new MemoryRecord(oru({ obx: [obx], ...parts })).one('Observation');
const PID = 'PID|1||123^^^HOSP^MR||Doe^Jane||19800704|F|||1 Main^^Town^^12345^^H||555-1|555-2';
const PV1 = 'PV1|1|I|W1||||||||||||||||V1^^^HOSP^VN';
const pv1 = (status: string, admitted: string, discharged = ''): string =>
  `PV1|1|${status}|W1||||||||||||||||V1^^^HOSP^VN|${'|'.repeat(24)}${admitted}|${discharged}`;

describe('trap: times', () => {
  it('per-source time zone, else MSH-7, else the date', () => {
    const message = oru({ msh7: '20260301120000', obx: ['OBX|1|NM|1^A^L||1||||||F|||20260715101112'] });
    const effective = (text: string, timeZone?: string): unknown =>
      new MemoryRecord().take(text, timeZone === undefined ? {} : { timeZone }).one('Observation').effectiveDateTime;
    expect(effective(message, 'Europe/Berlin')).toBe('2026-07-15T10:11:12+02:00');
    expect(effective(message.replace('20260301120000|', '20260301120000-0500|'))).toBe('2026-07-15T10:11:12-05:00');
    expect(effective(message)).toBe('2026-07-15');
  });

  it('a partial instant is omitted, not padded', () => {
    const report = (obr22: string): any => new MemoryRecord(oru({ obr22, obx: [] })).one('DiagnosticReport');
    expect(report('202603011200+0100').issued).toBeUndefined();
    expect(report('20260301').issued).toBeUndefined();
    expect(report('20260301120000+0100').issued).toBe('2026-03-01T12:00:00+01:00');
  });

  it('birth date is a date; its time goes into the extension; an impossible one is left out and noted', () => {
    const patient = (birth: string): any =>
      new MemoryRecord(adt('A04', [PID.replace('19800704', birth), PV1])).one('Patient');
    expect(patient('198007041305')).toMatchObject({
      birthDate: '1980-07-04',
      _birthDate: { extension: [{ valueDateTime: '1980-07-04T13:05:00+01:00' }] },
    });
    expect(patient('1980').birthDate).toBe('1980');
    expect(patient('00000000').birthDate).toBeUndefined();
    expect(normalize(adt('A04', [PID.replace('19800704', '20230230'), PV1])).details.omissions).toEqual([
      { location: 'PID-7', reason: 'not-a-date' },
    ]);
  });

  it('a time in the future does not shut out later messages', () => {
    expect(normalize(adt('A04', [PID, PV1], '20990101120000+0000')).sourceTime).toBe(RECEIVED_AT);
  });
});

describe('trap: "" deletes, empty leaves', () => {
  const first = adt('A01', [PID, PV1]);
  const later = (pid: string): any =>
    new MemoryRecord(first, adt('A08', [pid, PV1], '20260302120000+0100')).one('Patient');

  it('empty and absent fields change nothing', () => {
    expect(later('PID|1||123^^^HOSP^MR||Doe^Jane')).toMatchObject({
      gender: 'female',
      birthDate: '1980-07-04',
      telecom: { length: 2 },
    });
  });

  it('"" takes the element away and is never written', () => {
    const patient = later('PID|1||123^^^HOSP^MR||Doe^Jane||""|""|||""||""|""');
    for (const element of ['birthDate', 'gender', 'address', 'telecom']) expect(patient[element]).toBeUndefined();
    expect(JSON.stringify(patient)).not.toContain('\\"\\"');
  });

  it('"" of one of two telephone fields leaves the other; "" in a component is no value', () => {
    expect(later('PID|1||123^^^HOSP^MR||Doe^""^""||||||||""|555-2').telecom).toEqual([
      { system: 'phone', value: '555-2', use: 'work' },
    ]);
    expect(later('PID|1||123^^^HOSP^MR||Doe^""').name).toEqual([{ family: 'Doe' }]);
  });
});

describe('trap: values', () => {
  it.each([
    ['1.0', '"value":1.0'],
    ['065.88', '"value":65.88'],
    ['065.80', '"value":65.80'],
    ['5.0', '"value":5.0'],
  ])('NM %s is verbatim', (value, json) => {
    expect(stringifyFhirJson(observe(`OBX|1|NM|1^A^L||${value}|mg/L^^UCUM|||||F`))).toContain(json);
  });

  it.each([
    ['<5', { valueQuantity: { value: 5, comparator: '<' } }],
    ['>=1:128', { valueString: '>=1:128' }],
    ['1,234', { valueString: '1,234' }],
    ['1e3', { valueString: '1e3' }],
    ['NEG', { valueString: 'NEG' }],
  ])('NM %s that is no number is not lost', (value, expected) => {
    expect(observe(`OBX|1|NM|1^A^L||${value}||||||F`)).toMatchObject(expected);
  });

  it.each([
    ['=^5', { valueQuantity: { value: 5 } }, 'comparator'],
    ['<^5', { valueQuantity: { value: 5, comparator: '<' } }, undefined],
    ['<>^5', { valueString: '<> 5' }, undefined],
    ['^1^:^128', { valueRatio: { numerator: { value: 1 }, denominator: { value: 128 } } }, undefined],
    ['^3^-^5', { valueRange: { low: { value: 3 }, high: { value: 5 } } }, undefined],
    ['^2^+', { valueString: '2 +' }, undefined],
    ['^^', {}, 'valueString'],
  ])('SN %s', (value, expected, absent) => {
    const observation = observe(`OBX|1|SN|1^A^L||${value}||||||F`);
    expect(observation).toMatchObject(expected);
    if (absent !== undefined) expect(JSON.stringify(observation)).not.toContain(absent);
  });

  it('units have a code only when they are UCUM', () => {
    expect(observe('OBX|1|NM|1^A^L||1|mg/dL|||||F').valueQuantity).toEqual({ value: 1, unit: 'mg/dL' });
    expect(observe('OBX|1|NM|1^A^L||1|mmHg^^ISO+|||||F').valueQuantity).toEqual({ value: 1, unit: 'mmHg' });
    expect(observe('OBX|1|NM|1^A^L||1|mg/dL^milligram^UCUM|||||F').valueQuantity).toEqual({
      value: 1,
      unit: 'milligram',
      system: 'http://unitsofmeasure.org',
      code: 'mg/dL',
    });
  });

  it.each([
    ['SN', '≥^5', { valueQuantity: { value: 5, comparator: '>=' } }],
    ['NM', '5~', { valueQuantity: { value: 5, unit: 'mg' } }],
    ['SN', 'ca^5', { valueString: 'ca 5 mg' }],
    ['SN', '<5', { valueQuantity: { value: 5, comparator: '<', unit: 'mg' } }],
    ['SN', '5.0', { valueQuantity: { unit: 'mg' } }],
    ['NM', '=>10', { valueQuantity: { value: 10, comparator: '>=' } }],
    ['NM', '≤0.5', { valueQuantity: { value: 0.5, comparator: '<=' } }],
    ['NM', '<>5', { valueString: '<>5 mg' }],
    ['NM', '1,5', { valueString: '1,5 mg' }],
    ['NM', 'NEG', { valueString: 'NEG' }],
    ['nm', '5', { valueQuantity: { value: 5, unit: 'mg' } }],
    ['ST', '<0.01', { valueString: '<0.01 mg' }],
    ['ST', '5 mg', { valueString: '5 mg' }],
    ['ST', 'positive', { valueString: 'positive' }],
    ['TX', 'in 5 of 6 fields', { valueString: 'in 5 of 6 fields' }],
    ['VR', '1^5', { valueString: '1-5' }],
    ['SN', '^5.0^-^1.0', { valueString: '5.0 - 1.0 mg' }],
    ['NR', '5^1', { valueString: '5^1 mg' }],
    ['DT', 'UNKNOWN', { valueString: 'UNKNOWN' }],
    ['DTM', '2026-03-01', { valueString: '2026-03-01' }],
    ['DR', '20260302^20260301', { valueString: '20260302^20260301' }],
  ])('a measurement keeps what its sender wrote: %s %s', (type, value, expected) => {
    expect(observe(`OBX|1|${type}|1^A^L||${value}|mg|||||F`)).toMatchObject(expected);
  });

  it('a power of ten whose caret was not escaped is the unit as a whole', () => {
    const unit = (raw: string): unknown => observe(`OBX|1|NM|1^A^L||4.5|${raw}|||||F`).valueQuantity.unit;
    expect(unit('x10^9/L')).toBe('x10^9/L');
    expect(unit('10^3/uL^^UCUM')).toBe('10^3/uL');
    expect(unit('10\\S\\9/L')).toBe('10^9/L');
    expect(unit('10^per ten^L')).toBe('per ten');
  });

  it('a UCUM code is found in either triplet and by the names that senders give it', () => {
    const quantity = (raw: string): unknown => observe(`OBX|1|NM|1^A^L||1|${raw}|||||F`).valueQuantity;
    const ucum = { system: 'http://unitsofmeasure.org', code: 'mg/dL' };
    expect(quantity('MGDL^mg per dl^L^mg/dL^^UCUM')).toEqual({ value: 1, unit: 'mg per dl', ...ucum });
    expect(quantity('mg/dL^^http://unitsofmeasure.org')).toEqual({ value: 1, unit: 'mg/dL', ...ucum });
    expect(quantity('mg/dL^^2.16.840.1.113883.6.8')).toEqual({ value: 1, unit: 'mg/dL', ...ucum });
  });

  it.each([
    ['1-9 mg', { low: 1, high: 9 }],
    ['(1-9)', { low: 1, high: 9 }],
    ['<5 mg', { high: 5 }],
    ['≤5', { high: 5 }],
    ['=>5', { low: 5 }],
    ['9-1', {}],
    ['9.0-1.0', {}],
    ['1-9 g', {}],
    ['1..9', {}],
    ['<1:64', {}],
  ])('a reference range %s is numbers only where it can mean nothing else', (text, expected) => {
    const [range] = observe(`OBX|1|NM|1^A^L||1|mg|${text}||||F`).referenceRange;
    expect(range.text).toBe(text);
    expect({ ...(range.low && { low: range.low.value }), ...(range.high && { high: range.high.value }) }).toEqual(
      expected,
    );
  });

  it.each([
    ['^AP^PDF^Base64^JVBERi0', 'application/pdf', 'JVBERi0='],
    ['^AP^PDF^^JVBERi0=', 'application/pdf', 'JVBERi0='],
    ['PDF^^^Base64^JVBERi0=', 'application/pdf', 'JVBERi0='],
    ['^IM^^Base64^/9j/4AAQ', 'image/jpeg', '/9j/4AAQ'],
    ['^TX^^^JVBERi0=', 'text/plain', 'SlZCRVJpMD0='],
    ['^AP^PDF^^%PDF-1', 'application/pdf', 'JVBERi0x'],
  ])('a document %s has the type and the bytes that its sender meant', (value, contentType, data) => {
    expect(observe(`OBX|1|ED|1^A^L||${value}||||||F`).extension).toMatchObject([
      { valueAttachment: { contentType, data } },
    ]);
  });

  it('lines of one text over OBX and repetitions are joined; formatting becomes line ends', () => {
    const record = new MemoryRecord(
      oru({
        obx: [
          'OBX|1|TX|1^A^L||one~two||||||F',
          'OBX|2|TX|1^A^L||three\\.br\\four||||||F',
          'OBX|3|TX|2^B^L||other||||||F',
        ],
      }),
    );
    expect(record.all('Observation').map((observation) => observation.valueString)).toEqual([
      'one\ntwo\nthree\nfour',
      'other',
    ]);
  });

  it('repeated values of other types are components', () => {
    expect(observe('OBX|1|NM|1^A^L||60~120|/min|||||F').component).toHaveLength(2);
  });

  it('a missing or wrong OBX-2 does not lose the value', () => {
    expect(observe('OBX|1||1^A^L||7.1||||||F').valueString).toBe('7.1');
    expect(observe('OBX|1|ZZ|1^A^L||a^b||||||F').valueString).toBe('a^b');
  });

  it('ED: base64 with line ends, hexadecimal, plain; damaged data is left out and noted', () => {
    const attachment = (data: string): any => observe(`OBX|1|ED|1^A^L||${data}||||||F`).extension?.[0].valueAttachment;
    expect(attachment('APP^AP^PDF^Base64^JVBE\\.br\\Ri0x')).toEqual({
      contentType: 'application/pdf',
      data: 'JVBERi0x',
    });
    expect(attachment('APP^TEXT^PLAIN^Hex^4142')).toEqual({ contentType: 'text/plain', data: 'QUI=' });
    expect(attachment('APP^TEXT^PLAIN^A^AB')).toEqual({ contentType: 'text/plain', data: 'QUI=' });
    expect(attachment('APP^TEXT^^A^AB')).toEqual({ contentType: 'text/plain', data: 'QUI=' });
    expect(attachment('APP^PDF^^A^AB')).toEqual({ contentType: 'application/pdf', data: 'QUI=' });
    expect(attachment('APP^IM^^A^AB')).toEqual({ contentType: 'application/octet-stream', data: 'QUI=' });
    expect(attachment('^^^A^AB')).toEqual({ contentType: 'application/octet-stream', data: 'QUI=' });
    expect(attachment('APP^AP^PDF^Base64^!!!')).toBeUndefined();
    expect(normalize(oru({ obx: ['OBX|1|ED|1^A^L||APP^AP^PDF^Base64^!!!||||||F'] })).details.omissions).toEqual([
      { location: 'OBX[1]-5', reason: 'not-an-attachment' },
    ]);
  });

  it('ED that does not fit into a sealed group is kept whole, not cut: the service makes a Binary of it', () => {
    const large = Buffer.alloc(180_003).toString('base64');
    const message = oru({ obx: [`OBX|1|ED|1^A^L||^AP^PDF^Base64^${large}||||||F`] });
    const attachment = new MemoryRecord(message).one('Observation').extension[0].valueAttachment;
    expect(attachment).toEqual({ contentType: 'application/pdf', data: large });
  });

  it('RP is a reference, never fetched', () => {
    expect(observe('OBX|1|RP|1^A^L||http://169.254.169.254/x^^image^JPEG||||||F').extension[0].valueAttachment).toEqual(
      {
        contentType: 'image/jpeg',
        url: 'http://169.254.169.254/x',
      },
    );
  });

  it('reference ranges keep their text and their numbers', () => {
    expect(stringifyFhirJson(observe('OBX|1|NM|1^A^L||1|g|3.50-5.10||||F').referenceRange[0])).toBe(
      '{"low":{"value":3.50,"unit":"g"},"high":{"value":5.10,"unit":"g"},"text":"3.50-5.10"}',
    );
    expect(observe('OBX|1|NM|1^A^L||1||see note||||F').referenceRange).toEqual([{ text: 'see note' }]);
  });
});

describe('trap: grouping', () => {
  it('results belong to their order, with Z segments, NTE and SPM in between and no ORC', () => {
    const record = new MemoryRecord(
      [
        'MSH|^~\\&|LAB|HOSP|||20260301120000+0100||ORU^R01|G1|P|2.5.1',
        'PID|1||123^^^HOSP^MR',
        'ZPI|x',
        'OBR|1|P1|F1|100^One^L',
        'NTE|1||about the order',
        'ZZZ|1',
        'OBX|1|NM|1^A^L||1||||||F',
        'ZOB|y',
        'NTE|1||about A',
        'NTE|2||still A',
        'OBR|2|P2|F2|200^Two^L',
        'SPM|1',
        'OBX|1|NM|1^A^L||2||||||F',
        '',
      ].join('\r'),
    );
    const reports: any[] = record.all('DiagnosticReport');
    expect(reports.map(({ result }) => result.length)).toEqual([1, 1]);
    const [first, second] = record.all('Observation');
    expect(first).toMatchObject({ valueQuantity: { value: 1 }, note: [{ text: 'about A' }, { text: 'still A' }] });
    expect(second).toMatchObject({ valueQuantity: { value: 2 } });
    expect(second.note).toBeUndefined();
    expect(reports[0].extension[0].valueAnnotation).toEqual({ text: 'about the order' });
    expect(normalize(oru({ obx: ['ZZZ|1', 'ZZZ|2'] })).details.unmapped).toEqual({ ZZZ: 2 });
  });

  it('one ORC for many OBR: one order, a report for each service', () => {
    const record = new MemoryRecord(
      [
        'MSH|^~\\&|LAB|HOSP|||20260301120000+0100||ORU^R01|G2|P|2.5.1',
        'PID|1||123^^^HOSP^MR',
        'ORC|RE|P1|F1',
        'OBR|1|P1|F1|100^One^L',
        'OBX|1|NM|1^A^L||1||||||F',
        'OBR|2|P1|F1|200^Two^L',
        'OBX|1|NM|1^A^L||2||||||F',
        '',
      ].join('\r'),
    );
    expect([
      record.all('ServiceRequest').length,
      record.all('DiagnosticReport').length,
      record.all('Observation').length,
    ]).toEqual([1, 2, 2]);
  });

  it('OBX-4 tells results of one code apart; without it their order does', () => {
    expect(
      new MemoryRecord(oru({ obx: ['OBX|1|NM|1^A^L|1|1||||||F', 'OBX|2|NM|1^A^L|2|2||||||F'] })).all('Observation'),
    ).toHaveLength(2);
    const twice = oru({ obx: ['OBX|1|NM|1^A^L||1||||||F', 'OBX|2|NM|1^A^L||2||||||F'] });
    expect(new MemoryRecord(twice, twice.replace('|C1|', '|C2|')).all('Observation')).toHaveLength(2);
  });

  it('several patients in one ORU', () => {
    const record = new MemoryRecord(
      [
        'MSH|^~\\&|LAB|HOSP|||20260301120000+0100||ORU^R01|G3|P|2.5.1',
        'PID|1||1^^^HOSP^MR',
        'OBR|1||F1|100^One^L',
        'OBX|1|NM|1^A^L||1||||||F',
        'PID|2||2^^^HOSP^MR',
        'OBR|1||F2|100^One^L',
        'OBX|1|NM|1^A^L||2||||||F',
        '',
      ].join('\r'),
    );
    const [first, second] = record.all('Observation');
    expect(first.subject).not.toEqual(second.subject);
  });
});

describe('trap: corrections', () => {
  const preliminary = oru({
    controlId: 'A',
    msh7: '20260301100000+0100',
    obr22: '20260301100000+0100',
    status: 'P',
    obx: ['OBX|1|NM|1^A^L||9.9|g||H|||P'],
  });
  const final = oru({
    controlId: 'B',
    msh7: '20260301110000+0100',
    obr22: '20260301110000+0100',
    obx: ['OBX|1|NM|1^A^L||8.0|g||H|||F'],
  });
  const corrected = oru({
    controlId: 'C',
    msh7: '20260301120000+0100',
    obr22: '20260301120000+0100',
    status: 'C',
    obx: ['OBX|1|NM|1^A^L||4.0|g|||||C'],
  });

  it('a corrected result in every order of arrival ends in the same state', () => {
    const orders = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ];
    const messages = [preliminary, final, corrected];
    for (const order of orders) {
      const record = new MemoryRecord(...order.map((i) => messages[i]));
      const observation = record.one('Observation');
      expect(stringifyFhirJson(observation), String(order)).toContain('"value":4.0');
      expect(observation.status).toBe('corrected');
      expect(observation.interpretation, 'the flag of the wrong value must not stay').toBeUndefined();
      expect(record.one('DiagnosticReport').status).toBe('corrected');
    }
  });

  it('a late preliminary result of the same report time does not undo the final one', () => {
    const same = (status: string, value: string): string =>
      oru({
        controlId: status,
        obr22: '20260301100000+0100',
        status,
        obx: [`OBX|1|NM|1^A^L||${value}||||||${status}`],
      });
    const record = new MemoryRecord(
      oru({ controlId: '1', obr22: '20260301100000+0100', obx: ['OBX|1|NM|1^A^L||2||||||F'] }),
      same('P', '1'),
    );
    expect(record.one('Observation')).toMatchObject({ status: 'final', valueQuantity: { value: 2 } });
  });

  it('D and W withdraw, X cancels without a value, U states the status only', () => {
    const then = (obx: string): any =>
      new MemoryRecord(final, oru({ controlId: 'Z', msh7: '20260302120000+0100', obx: [obx] })).one('Observation');
    expect(then('OBX|1|NM|1^A^L||||||||W')).toMatchObject({ status: 'entered-in-error', valueQuantity: { unit: 'g' } });
    expect(then('OBX|1||1^A^L||||||||X')).toMatchObject({ status: 'cancelled', dataAbsentReason: {} });
    expect(then('OBX|1||1^A^L||||||||X').valueQuantity).toBeUndefined();
    expect(then('OBX|1||1^A^L||||||||U')).toMatchObject({ status: 'final', valueQuantity: { unit: 'g' } });
  });

  it('a correction to several values replaces the one', () => {
    const observation = new MemoryRecord(
      final,
      oru({ controlId: 'Z', msh7: '20260302120000+0100', obx: ['OBX|1|NM|1^A^L||60~120||||||C'] }),
    ).one('Observation');
    expect(observation.component).toHaveLength(2);
    expect(observation.valueQuantity).toBeUndefined();
  });

  it('a correction of another type replaces the value', () => {
    const observation = new MemoryRecord(
      final,
      oru({ controlId: 'Z', msh7: '20260302120000+0100', obx: ['OBX|1|ST|1^A^L||haemolysed||||||C'] }),
    ).one('Observation');
    expect(observation.valueString).toBe('haemolysed');
    expect(observation.valueQuantity).toBeUndefined();
  });

  it('DiagnosticReport.result keeps earlier observations', () => {
    const more = oru({ controlId: 'Z', msh7: '20260302120000+0100', obx: ['OBX|1|NM|2^B^L||1||||||F'] });
    expect(new MemoryRecord(final, more).one('DiagnosticReport').result).toHaveLength(2);
  });

  it.each('A B C D F I N O P R S U V W X'.split(' '))('OBX-11 %s has a status of R4', (status) => {
    const observation = observe(`OBX|1|NM|1^A^L||||||||${status}`);
    expect(validateResource(observation)).toEqual([]);
  });

  it.each('A C F I M N O P R S X'.split(' '))('OBR-25 %s has a status of R4', (status) => {
    expect(validateResource(new MemoryRecord(oru({ status, obx: [] })).one('DiagnosticReport'))).toEqual([]);
  });

  it.each(['Y', 'Z', '?'])('OBR-25 %s is refused', (status) => {
    expect(() => normalize(oru({ status, obx: [] }))).toThrow(
      expect.objectContaining({ code: 'invalid-content', expression: 'OBR[1]-25' }),
    );
  });
});

describe('trap: codes', () => {
  it('three triplets, tables, local systems of the source, missing system, text only', () => {
    const code = (raw: string, codeSystems = {}): any =>
      new MemoryRecord().take(oru({ obx: [`OBX|1|NM|${raw}||1||||||F`] }), { codeSystems }).one('Observation').code;
    expect(code('718-7^Hb^LN^HB^Haemoglobin^L^2.74^^the text^X^^99ABC')).toEqual({
      coding: [
        { system: 'http://loinc.org', version: '2.74', code: '718-7', display: 'Hb' },
        { system: 'https://hospital.example/ids/codes/L', code: 'HB', display: 'Haemoglobin' },
        { system: 'https://hospital.example/ids/codes/99ABC', code: 'X' },
      ],
      text: 'the text',
    });
    expect(code('A^a^HL70078').coding[0].system).toBe('http://terminology.hl7.org/CodeSystem/v2-0078');
    expect(code('1^a^LOCAL', { LOCAL: 'https://x.example/codes' }).coding[0].system).toBe('https://x.example/codes');
    expect(code('1^a').coding).toEqual([{ code: '1', display: 'a' }]);
    expect(code('^only text')).toEqual({ text: 'only text' });
    expect(code('1^a^L^1^a^L').coding).toHaveLength(1);
  });
});

describe('trap: identity', () => {
  const keys = (pid3: string, settings = {}): unknown =>
    normalize(adt('A04', [`PID|1||${pid3}`, PV1]), settings).changes.find(({ type }) => type === 'Patient')?.keys;

  it('an OID, a namespace, the source: never a bare number', () => {
    expect(keys('1^^^X&1.2.3.4&ISO^MR')).toEqual([['identifier', 'urn:oid:1.2.3.4', '1']]);
    expect(keys('1^^^X^MR')).toEqual([['identifier', 'https://hospital.example/ids/X', '1']]);
    expect(keys('1^^^X^MR', { namespaces: { X: 'urn:oid:9.9' } })).toEqual([['identifier', 'urn:oid:9.9', '1']]);
    expect(keys('1')).toEqual([['identifier', 'https://hospital.example/ids', '1']]);
    expect(keys('1^^^X^PI~1^^^Y^PI')).toEqual([
      ['identifier', 'https://hospital.example/ids/X', '1'],
      ['identifier', 'https://hospital.example/ids/Y', '1'],
    ]);
  });

  it('account, visit and social security numbers do not say who a patient is', () => {
    expect(keys('1^^^X^AN~2^^^X^VN~3^^^^SS')).toEqual([['message', 'test', expect.any(String), 'Patient']]);
    const record = new MemoryRecord(
      adt('A04', ['PID|1||1^^^X^MR||A||||||||||||||999-99-9999', PV1]),
      adt('A04', ['PID|1||2^^^X^MR||B||||||||||||||999-99-9999', PV1.replace('V1^^^', 'V2^^^')], '20260302120000+0100'),
    );
    expect(record.all('Patient')).toHaveLength(2);
  });

  it('a laboratory copy of the demographics never overwrites the registration, and fills what is not known', () => {
    const record = new MemoryRecord(
      adt('A01', [PID, PV1]),
      oru({ msh7: '20260305120000+0100', obx: [] }).replace(
        'PID|1||123^^^HOSP^MR||Doe^Jane||19800704|F',
        `PID|1||123^^^HOSP^MR||DOE^J||19990101|M${'|'.repeat(21)}20260304`,
      ),
    );
    expect(record.one('Patient')).toMatchObject({
      name: [{ family: 'Doe', given: ['Jane'] }],
      gender: 'female',
      birthDate: '1980-07-04',
      deceasedDateTime: '2026-03-04',
    });
  });

  it('names, addresses and telephone numbers', () => {
    const patient = new MemoryRecord(
      adt('A04', [
        'PID|1||1^^^X^MR||van Dyke&van&Dyke^Ann^B^Jr^Dr^MD^L~^Annie^^^^^N||||||12 Elm St&Elm St&12^Flat 3^Ely^CAM^CB7^GBR^M^^County||(555)123-4567^PRN^PH~^NET^Internet^a@b.example|^WPN^PH^^1^555^9876543^22',
        PV1,
      ]),
    ).one('Patient');
    expect(patient.name).toEqual([
      {
        use: 'official',
        family: 'van Dyke',
        _family: {
          extension: [
            { url: 'http://hl7.org/fhir/StructureDefinition/humanname-own-prefix', valueString: 'van' },
            { url: 'http://hl7.org/fhir/StructureDefinition/humanname-own-name', valueString: 'Dyke' },
          ],
        },
        given: ['Ann', 'B'],
        prefix: ['Dr'],
        suffix: ['Jr', 'MD'],
      },
      { use: 'nickname', given: ['Annie'] },
    ]);
    expect(patient.address).toEqual([
      {
        type: 'postal',
        line: ['12 Elm St', 'Elm St', '12', 'Flat 3'],
        city: 'Ely',
        district: 'County',
        state: 'CAM',
        postalCode: 'CB7',
        country: 'GBR',
      },
    ]);
    const part = (name: string, valueString: string): unknown => ({
      url: `http://hl7.org/fhir/StructureDefinition/contactpoint-${name}`,
      valueString,
    });
    expect(patient.telecom).toEqual([
      { system: 'phone', value: '(555)123-4567', use: 'home' },
      { system: 'email', value: 'a@b.example', use: 'home' },
      {
        extension: [part('country', '1'), part('area', '555'), part('local', '9876543'), part('extension', '22')],
        system: 'phone',
        value: '+1 555 9876543 X22',
        use: 'work',
      },
    ]);
  });
});

describe('trap: visits', () => {
  const at = (event: string, segment: string, day: number): string =>
    adt(event, [PID, segment], `202603${String(day).padStart(2, '0')}120000+0100`);

  it('A08 after A03 does not reopen, and a late A01 does not either', () => {
    const stay = [at('A01', pv1('I', '20260301080000+0100'), 1), at('A03', pv1('I', '', '20260304100000+0100'), 4)];
    const record = new MemoryRecord(...stay, at('A08', pv1('I', '20260301080000+0100'), 5));
    expect(record.one('Encounter')).toMatchObject({
      status: 'finished',
      period: { start: '2026-03-01T08:00:00+01:00', end: '2026-03-04T10:00:00+01:00' },
    });
    expect(new MemoryRecord(...stay, at('A01', pv1('I', '20260301080000+0100'), 6)).one('Encounter').status).toBe(
      'finished',
    );
  });

  it('an A08 with a time of discharge ends the visit; one of an unknown visit begins it', () => {
    expect(
      new MemoryRecord(at('A01', pv1('I', '20260301080000+0100'), 1), at('A08', pv1('I', '', '20260304'), 5)).one(
        'Encounter',
      ).status,
    ).toBe('finished');
    expect(new MemoryRecord(at('A08', pv1('O', '20260301080000+0100'), 1)).one('Encounter').status).toBe('in-progress');
  });

  it.each([
    ['A01', 'I', 'in-progress', 'IMP'],
    ['A04', 'O', 'in-progress', 'AMB'],
    ['A04', 'E', 'in-progress', 'EMER'],
    ['A01', 'P', 'planned', 'PRENC'],
    ['A03', 'I', 'finished', 'IMP'],
  ])('%s of class %s is %s', (event, patientClass, status, code) => {
    expect(new MemoryRecord(at(event, pv1(patientClass, ''), 1)).one('Encounter')).toMatchObject({
      status,
      class: { code },
    });
  });

  it('visit numbers are reused across facilities', () => {
    const bare = PV1.replace('V1^^^HOSP^VN', 'V1');
    const record = new MemoryRecord(at('A01', bare, 1), at('A01', bare, 2).replace('|ADT|HOSP|', '|ADT|OTHER|'));
    expect(record.all('Encounter')).toHaveLength(2);
  });

  it('PV1 empty, `N` or without a number makes no visit of a copy or an update', () => {
    for (const segment of ['PV1|1|N', 'PV1|1', 'PV1|1|O|W1']) {
      expect(new MemoryRecord(at('A08', segment, 1)).all('Encounter')).toEqual([]);
      expect(new MemoryRecord(oru({ obx: [] }).replace('OBR|', `${segment}\rOBR|`)).all('Encounter')).toEqual([]);
    }
  });

  it('the visit of an ORU only fills in', () => {
    const copy = oru({ msh7: '20260309120000+0100', obx: [] }).replace(
      'OBR|',
      `${PV1.replace('|I|W1', '|O|LAB')}\rOBR|`,
    );
    const record = new MemoryRecord(
      at('A01', pv1('I', '20260301080000+0100'), 1),
      at('A03', pv1('I', '', '20260304100000+0100'), 4),
      copy,
    );
    expect(record.one('Encounter')).toMatchObject({
      status: 'finished',
      class: { code: 'IMP' },
      location: [{ location: { display: 'W1' } }],
    });
  });
});

describe('trap: consent and confidentiality before encryption', () => {
  const security = (resource: any): string[] =>
    (resource.meta.security ?? []).map(({ code }: { code: string }) => code);

  it.each([
    ['MSH-8', 'MSH|^~\\&|ADT|HOSP|GW|HOSP|20260301120000+0100|HIV|ADT^A01|1|P|2.5.1', 'Patient', 'HIV'],
    [
      'MSH-26',
      `MSH|^~\\&|ADT|HOSP|GW|HOSP|20260301120000+0100||ADT^A01|1|P|2.8${'|'.repeat(14)}V^very restricted`,
      'Encounter',
      'V',
    ],
    ['PD1-12', 'PD1||||||||||||Y', 'Patient', 'R'],
    ['PV2-22', `PV2${'|'.repeat(22)}Y`, 'Encounter', 'R'],
    ['ARV demographics', 'ARV|1|A|DEM|PAT', 'Patient', 'R'],
    ['ARV location', 'ARV|1|A|LOC|PHY', 'Encounter', 'R'],
    ['CON', 'CON|1', 'Patient', 'R'],
  ])('%s', (_name, segment, type, code) => {
    const base = adt('A01', [PID, PV1]).split('\r');
    const segments = segment.startsWith('MSH')
      ? [segment, ...base.slice(1)]
      : [...base.slice(0, 3), segment, ...base.slice(3)];
    expect(security(new MemoryRecord(segments.join('\r')).one(type))).toContain(code);
  });

  it.each([
    ['R', ['R']],
    ['hiv', ['HIV']],
    ['R~HIV', ['R', 'HIV']],
    ['HIV, PSY', ['HIV', 'PSY']],
    ['ETH^substance abuse^HL70177', ['ETH']],
    ['aid', ['AID']],
    ['normal', []],
    ['very secret', ['R']],
    ['""', []],
  ])('trap: MSH-8 %j in its own words', (text, codes) => {
    const message = adt('A01', [PID, PV1]).replace('||ADT^', `|${text}|ADT^`);
    expect(security(new MemoryRecord(message).one('Patient'))).toEqual(codes);
  });

  it('trap: marks in small letters, with a text, of drugs', () => {
    const marked = (segment: string): string[] =>
      security(
        new MemoryRecord(oru({ obx: ['OBX|1|NM|1^A^L||1||||||F'] }).replace('OBR|', `${segment}\rOBR|`)).one(
          'Observation',
        ),
      );
    expect(marked('ARV|1|A|hiv')).toEqual(['HIV']);
    expect(marked('ARV|1|A|DRG^Drug related^HL70717')).toEqual(['SUD']);
    expect(marked('ARV|1|X^Delete^HL70206|HIV')).toEqual([]);
    const code = (obx13: string): string[] =>
      security(new MemoryRecord(oru({ obx: [`OBX|1|NM|1^A^L||1||||||F||${obx13}`] })).one('Observation'));
    expect(code('psy')).toEqual(['PSY']);
    expect(code('r')).toEqual(['R']);
    expect(code('aid^^HL70177')).toEqual(['AID']);
  });

  it('OBX-13 marks its result alone, ORC-28 the whole order', () => {
    const record = new MemoryRecord(oru({ obx: ['OBX|1|NM|1^A^L||1||||||F||PSY', 'OBX|2|NM|2^B^L||1||||||F'] }));
    expect(record.all('Observation').map(security)).toEqual([['PSY'], []]);
    const order = new MemoryRecord(
      oru({ obx: ['OBX|1|NM|1^A^L||1||||||F'] }).replace('OBR|', `ORC|RE${'|'.repeat(27)}ETH^^HL70177\rOBR|`),
    );
    for (const type of ['Observation', 'DiagnosticReport', 'ServiceRequest'])
      expect(security(order.one(type))).toEqual(['ETH']);
  });

  it('an ordinary MSH-8 asks for nothing', () => {
    expect(security(new MemoryRecord(adt('A01', [PID, PV1])).one('Patient'))).toEqual([]);
  });
});

describe('trap: forms of MSH-9', () => {
  it.each([
    ['ORU^R01^ORU_R01', 'ORU', 'R01'],
    ['ORU^R01', 'ORU', 'R01'],
    ['oru^r01', 'ORU', 'R01'],
    ['ORU', 'ORU', 'R01'],
    ['ORU_R01', 'ORU', 'R01'],
    ['ORU^^ORU_R01', 'ORU', 'R01'],
  ])('%s', (form, messageCode, event) => {
    const { details, changes } = normalize(oru({ obx: ['OBX|1|NM|1^A^L||1||||||F'] }).replace('ORU^R01^ORU_R01', form));
    expect(details).toMatchObject({ messageCode, event });
    expect(changes.some(({ type }) => type === 'Observation')).toBe(true);
  });

  it.each(['ADT', 'ADT_A01', 'ADT^^ADT_A01', 'adt'])('%s has its event from EVN-1, and none without', (form) => {
    const message = adt('A08', [PID, PV1]).replace('ADT^A08', form);
    expect(normalize(message).details).toMatchObject({ messageCode: 'ADT', event: 'A08' });
    const refused = expect.objectContaining({ code: 'unsupported-event' });
    expect(() => normalize(message.replace('EVN|A08', 'EVN|'))).toThrow(refused);
  });
});

describe('what is refused', () => {
  it.each([
    ['MSH-9 missing', adt('', [PID, PV1]).replace('ADT^|', '|'), 'required-missing', 'MSH-9'],
    ['MSH-10 missing', oru({ controlId: '', obx: [] }), 'required-missing', 'MSH-10'],
    ['another type', oru({ obx: [] }).replace('ORU^R01^ORU_R01', 'QBP^Q11'), 'unsupported-message-type', 'MSH-9.1'],
    ['another event', adt('A19', [PID, PV1]), 'unsupported-event', 'MSH-9.2'],
    ['version 3', adt('A01', [PID, PV1]).replace('|2.5.1', '|3.0'), 'unsupported-version', 'MSH-12'],
    ['no PID', adt('A01', [PV1]), 'required-missing', 'PID'],
    ['no PV1', adt('A01', [PID]), 'required-missing', 'PV1'],
    ['two patients in an ADT', adt('A01', [PID, PID, PV1]), 'invalid-content', 'PID[2]'],
    ['no OBR-4', oru({ obx: [] }).replace('57021-8^CBC^LN', ''), 'required-missing', 'OBR[1]-4'],
    ['no OBX-3', oru({ obx: ['OBX|1|NM|||1||||||F'] }), 'required-missing', 'OBX[1]-3'],
    ['an OBX-11 of no table', oru({ obx: ['OBX|1|NM|1^A^L||1||||||?'] }), 'invalid-content', 'OBX[1]-11'],
  ])('%s', (_name, message, code, expression) => {
    expect(() => normalize(message)).toThrow(expect.objectContaining({ code, expression }));
  });

  it('names no value in what it says', () => {
    try {
      normalize(oru({ obx: ['OBX|1|NM|1^A^L||CANARY||||||CANARY'] }));
    } catch (thrown) {
      expect(String(thrown)).not.toContain('CANARY');
    }
  });
});

describe('trap: set ids that do not count, and action codes', () => {
  it('results that are all number 1 stay apart, and meet their corrections by what they are', () => {
    const results = ['OBX|1|NM|1^A^L||1.0|g|||||F', 'OBX|1|NM|2^B^L||2.0|g|||||F'];
    const later = oru({
      msh7: '20260301130000+0100',
      controlId: 'C2',
      status: 'C',
      obx: ['OBX|7|NM|2^B^L||3.0|g|||||C', 'OBX|9|NM|1^A^L||1.0|g|||||F'],
    });
    const record = new MemoryRecord(oru({ obx: results }), later);
    expect(record.all('Observation').map(({ status }) => status)).toEqual(['final', 'corrected']);
  });

  it('OBX-31 D, IAM-6 D, DG1-21 D and RXA-21 D withdraw what was said; they delete nothing', () => {
    const withdrawn = new MemoryRecord(
      oru({ obx: ['OBX|1|NM|1^A^L||1.0|g|||||F'] }),
      oru({
        msh7: '20260301130000+0100',
        controlId: 'C2',
        obx: [segment('OBX', { 1: '1', 2: 'NM', 3: '1^A^L', 11: 'F', 31: 'D' })],
      }),
    ).one('Observation');
    expect(withdrawn).toMatchObject({ status: 'entered-in-error', valueQuantity: { unit: 'g' } });
    const stay = (allergy: string, diagnosis: string): MemoryRecord =>
      new MemoryRecord(
        adt('A01', [
          PID,
          PV1,
          segment('IAM', { 1: '1', 3: '1^Pen^L', 6: allergy, 7: 'I1' }),
          segment('DG1', { 1: '1', 3: 'D1^Fever^L', 20: 'N1', 21: diagnosis }),
        ]),
      );
    const codes = (resource: any): unknown => resource.verificationStatus?.coding[0].code;
    expect(codes(stay('A', 'A').one('AllergyIntolerance'))).not.toBe('entered-in-error');
    expect(codes(stay('D', 'D').one('AllergyIntolerance'))).toBe('entered-in-error');
    expect(codes(stay('D', 'D').one('Condition'))).toBe('entered-in-error');
    const shot = hl7('VXU^V04', [PID, 'ORC|RE||I1^A', segment('RXA', { 3: '20260201', 5: '140^Flu^CVX', 21: 'D' })]);
    expect(new MemoryRecord(shot).one('Immunization').status).toBe('entered-in-error');
  });

  it('OBX-33 names the specimen of a result by its number', () => {
    const obx = segment('OBX', { 1: '1', 2: 'NM', 3: '1^A^L', 5: '1', 11: 'F', 33: 'S1&A^S2&B' });
    expect(new MemoryRecord(oru({ obx: [obx] })).one('Observation').specimen).toMatchObject({
      type: 'Specimen',
      identifier: { value: 'S2' },
    });
  });
});
