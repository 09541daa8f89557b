import { describe, expect, it } from 'vitest';
import { validateResource } from '../../../../src/formats/fhir/validate.ts';
import { MemoryRecord } from '../../../support/hl7v2.ts';

/** A VXU of one vaccination; `rxa`: what stands from RXA-3 on. */
function vxu(rxa: string, more: readonly string[] = [], filler = 'IZ1^NIST'): string {
  return [
    'MSH|^~\\&|EHR|HOSP|IIS|HOSP|20260301120000+0100||VXU^V04^VXU_V04|V1|P|2.5.1',
    'PID|1||123^^^HOSP^MR||Doe^Jane||20190704|F',
    `ORC|RE||${filler}|||||||||O1^Ho^Ann^^^^^^HOSP`,
    `RXA|0|1|${rxa}`,
    ...more,
    '',
  ].join('\r');
}

const GIVEN =
  '20260301||140^Influenza^CVX|0.5|mL^^UCUM||00^New record^NIP001|N1^Lee^Bo^^^^^^HOSP|^^^Clinic||||LOT1|20270301|CSL^CSL Behring^MVX|||CP|A';

const immunization = (...messages: string[]): any => {
  const record = new MemoryRecord(...messages);
  for (const resource of record.all()) expect(validateResource(resource), resource.resourceType).toEqual([]);
  return record.one('Immunization');
};

describe('trap: vaccinations', () => {
  it('vaccine, lot, maker, dose, route, and both providers', () => {
    expect(immunization(vxu(GIVEN, ['RXR|C28161^Intramuscular^NCIT|LD^Left deltoid^HL70163']))).toMatchObject({
      status: 'completed',
      vaccineCode: { coding: [{ system: 'http://hl7.org/fhir/sid/cvx', code: '140' }] },
      occurrenceDateTime: '2026-03-01',
      primarySource: true,
      lotNumber: 'LOT1',
      expirationDate: '2027-03-01',
      manufacturer: { identifier: { value: 'CSL' } },
      doseQuantity: { code: 'mL' },
      performer: [{ function: { coding: [{ code: 'AP' }] } }, { function: { coding: [{ code: 'OP' }] } }],
      location: { display: 'Clinic' },
      site: { coding: [{ code: 'LD' }] },
      route: { coding: [{ code: 'C28161' }] },
    });
  });

  it('a historical record without an amount: 999 is not a dose', () => {
    const made = immunization(vxu('20141012||88^flu^CVX|999|||01^Historical^NIP001|||||||||||CP|A'));
    expect(made).toMatchObject({ primarySource: false, reportOrigin: { coding: [{ code: '01' }] } });
    expect(made.doseQuantity).toBeUndefined();
  });

  it('a refusal is not done, with its reason', () => {
    const refused = '20260301||107^DTaP^CVX|999||||||||||||00^Parental decision^NIP002||RE|A';
    expect(immunization(vxu(refused, [], '9999^NIST'))).toMatchObject({
      status: 'not-done',
      statusReason: { coding: [{ code: '00' }] },
    });
  });

  it('9999 as order number names nothing: two refusals stay two', () => {
    const refused = (code: string): string => vxu(`20260301||${code}^x^CVX|999||||||||||||||RE|A`, [], '9999^NIST');
    const record = new MemoryRecord(refused('107'), refused('140').replace('|V1|', '|V2|'));
    expect(record.all('Immunization')).toHaveLength(2);
  });

  it('an update meets its vaccination; RXA-21 D withdraws it', () => {
    const update = vxu(GIVEN.replace('LOT1', 'LOT2')).replace('20260301120000', '20260302120000');
    expect(immunization(vxu(GIVEN), update).lotNumber).toBe('LOT2');
    const withdrawn = vxu(GIVEN.replace('|CP|A', '|CP|D')).replace('20260301120000', '20260302120000');
    expect(immunization(vxu(GIVEN), withdrawn).status).toBe('entered-in-error');
  });

  it('eligibility, funding, dose number and information statements are elements; what is left is an Observation', () => {
    const record = new MemoryRecord(
      vxu(GIVEN, [
        'OBX|1|CE|64994-7^Eligibility^LN|1|V05^VFC eligible^HL70064||||||F',
        'OBX|2|CE|30963-3^Funding^LN|2|PHC70^Private^CDCPHINVS||||||F',
        'OBX|3|NM|30973-2^Dose number^LN|3|2||||||F',
        'OBX|4|CE|30956-7^Vaccine type^LN|4|88^Influenza^CVX||||||F',
        'OBX|5|TS|29768-9^Published^LN|4|20250702||||||F',
        'OBX|6|TS|29769-7^Presented^LN|4|20260301||||||F',
        'OBX|7|CE|31044-1^Reaction^LN|5|VXC12^Fever^CDCPHINVS||||||F',
      ]),
    );
    expect(record.one('Immunization')).toMatchObject({
      programEligibility: [{ coding: [{ code: 'V05' }] }],
      fundingSource: { coding: [{ code: 'PHC70' }] },
      protocolApplied: [{ doseNumberPositiveInt: 2 }],
      education: [{ documentType: 'Influenza', publicationDate: '2025-07-02', presentationDate: '2026-03-01' }],
    });
    expect(record.one('Observation')).toMatchObject({
      code: { coding: [{ code: '31044-1' }] },
      partOf: [{ reference: expect.stringMatching(/^Immunization\//) }],
    });
  });

  it('OBX before the first ORC is about the patient', () => {
    const message = vxu(GIVEN).replace(
      'ORC|',
      'OBX|1|CWE|59784-9^Disease with immunity^LN||38907003^Varicella^SCT||||||F\rORC|',
    );
    const observation: any = new MemoryRecord(message).one('Observation');
    expect(observation.partOf).toBeUndefined();
  });
});

describe('trap: results by specimen', () => {
  const head = [
    'MSH|^~\\&|AN|LAB|GW|LAB|20260301120000+0100||OUL^R22^OUL_R22|U1|P|2.5.1',
    'PID|1||123^^^HOSP^MR',
    'SPM|1|S1&LAB||BLD',
    'OBX|1|NM|3-1^Volume^L||5|mL|||||F',
    'OBR|1|P1^EHR|F1^LAB|718-7^Hb^LN',
    'ORC|RE|P1^EHR|F1^LAB||CM',
    'OBX|2|NM|718-7^Hb^LN||7.1|g/dL|||||F',
    'SPM|2|S2&LAB||UR',
    'OBR|2|P2^EHR|F2^LAB|2345-7^Glucose^LN',
    'OBX|3|NM|2345-7^Glucose^LN||5|mmol/L|||||F',
    '',
  ];
  const record = new MemoryRecord(head.join('\r'));

  it('each order has the specimen above it, and ORC behind OBR is its own', () => {
    const reports: any[] = record.all('DiagnosticReport');
    expect(reports.map(({ specimen }) => specimen.length)).toEqual([1, 1]);
    expect(reports[0].specimen).not.toEqual(reports[1].specimen);
    expect(record.all('ServiceRequest').map(({ identifier }: any) => identifier.length)).toEqual([2, 2]);
    expect(record.all('Specimen')).toHaveLength(2);
  });

  it('OBX between SPM and OBR is about the specimen, not a result', () => {
    const volume: any = record.all('Observation').find(({ code }: any) => code.coding[0].code === '3-1');
    expect(volume.specimen).toBeDefined();
    expect(volume.basedOn).toBeUndefined();
    expect(record.all('DiagnosticReport').map(({ result }: any) => result.length)).toEqual([1, 1]);
  });

  it('results from the point of care (ORU R30) are results', () => {
    const message = [
      'MSH|^~\\&|POC|WARD|GW|LAB|20260301120000+0100||ORU^R30^ORU_R30|R1|P|2.5.1',
      'PID|1||123^^^HOSP^MR',
      'ORC|NW||POC7^WARD',
      'OBR|1||POC7^WARD|2339-0^Glucose^LN|||20260301115500+0100',
      'OBX|1|NM|2339-0^Glucose^LN||5.4|mmol/L|||||F',
      '',
    ].join('\r');
    const made = new MemoryRecord(message);
    expect(made.one('DiagnosticReport')).toMatchObject({ status: 'final', result: { length: 1 } });
    expect(made.one('ServiceRequest').status).toBe('completed');
  });
});
