import { describe, expect, it } from 'vitest';
import { IMAGING_STUDY_MAX_BYTES } from '../../../../src/core/limits.ts';
import type { Change } from '../../../../src/formats/fhir/change.ts';
import type { HeaderAttributes } from '../../../../src/formats/dicom/header.ts';
import { validateResource } from '../../../../src/formats/fhir/validate.ts';
import { addInstance, emptyStudy, type StudyAggregate } from '../../../../src/normalize/dicom/aggregate.ts';
import {
  decodeInstance,
  encodeInstance,
  instancePatientKey,
  type InstanceDocument,
} from '../../../../src/normalize/dicom/instance.ts';
import { humanNames } from '../../../../src/normalize/dicom/person-name.ts';
import type { DicomSource } from '../../../../src/normalize/dicom/source.ts';
import { studyChanges } from '../../../../src/normalize/dicom/study.ts';

const source: DicomSource = {
  name: 'dicom',
  profile: { assigner: 'https://hospital.example/ids', namespaces: { CITY: 'urn:oid:1.2.3.4' }, zone: 'Europe/Berlin' },
  fallbackCharacterSet: undefined,
};

const ATTRIBUTES: HeaderAttributes = {
  PatientName: 'Probe^Petra^Maria^Dr.^MD',
  PatientID: '4711',
  PatientBirthDate: '19700102',
  PatientSex: 'F',
  StudyDate: '20250312',
  StudyTime: '101500',
  StudyID: 'S1',
  AccessionNumber: 'A-9',
  Modality: 'CT',
  StudyDescription: 'CT thorax',
  SeriesNumber: '2',
  SeriesDescription: 'lung',
  BodyPartExamined: 'CHEST',
  Laterality: 'L',
  ReferringPhysicianName: 'Muster^Max^^Dr.',
};

function document(n: number, over: Partial<InstanceDocument> = {}): InstanceDocument {
  return {
    sopClassUid: '1.2.840.10008.5.1.4.1.1.2',
    sopInstanceUid: `1.2.3.${n}`,
    studyInstanceUid: '1.2.3',
    seriesInstanceUid: '1.2.3.9',
    transferSyntaxUid: '1.2.840.10008.1.2.1',
    attributes: { ...ATTRIBUTES, InstanceNumber: String(n) },
    unreadable: [],
    receivedAt: 1_000 + n,
    blob: { digest: Buffer.alloc(32, n), size: 100, key: Buffer.alloc(32, 7), dataSetOffset: 300, dataSetSize: 50 },
    ...over,
  };
}

function study(documents: readonly InstanceDocument[]): StudyAggregate {
  const aggregate = emptyStudy('1.2.3');
  for (const each of documents) addInstance(aggregate, each);
  return aggregate;
}

/** The resource of a change, as it would be stored: placeholders replaced. */
function resourceOf(change: Change | undefined): Record<string, unknown> {
  if (change?.mode !== 'merge') throw new Error('not a merge');
  const all = { ...change.initial, ...change.append, ...change.set };
  return JSON.parse(JSON.stringify(all).replace('change:0', 'Patient/p1')) as Record<string, unknown>;
}

describe('study to FHIR', () => {
  it('maps patient, study, series and instances', () => {
    const [patient, imaging] = studyChanges(study([document(2), document(1)]), source);
    expect(patient?.keys).toEqual([['identifier', 'https://hospital.example/ids', '4711']]);
    expect(resourceOf(patient)).toEqual({
      resourceType: 'Patient',
      identifier: [
        {
          type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'MR' }] },
          system: 'https://hospital.example/ids',
          value: '4711',
        },
      ],
      name: [{ use: 'usual', family: 'Probe', given: ['Petra', 'Maria'], prefix: ['Dr.'], suffix: ['MD'] }],
      gender: 'female',
      birthDate: '1970-01-02',
    });
    expect(imaging?.keys).toEqual([['identifier', 'urn:dicom:uid', 'urn:oid:1.2.3']]);
    expect(resourceOf(imaging)).toEqual({
      resourceType: 'ImagingStudy',
      identifier: [
        { system: 'urn:dicom:uid', value: 'urn:oid:1.2.3' },
        {
          type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'ACSN' }] },
          system: 'https://hospital.example/ids/ACSN',
          value: 'A-9',
        },
        { use: 'secondary', value: 'S1' },
      ],
      status: 'available',
      modality: [{ system: 'http://dicom.nema.org/resources/ontology/DCM', code: 'CT' }],
      subject: { reference: 'Patient/p1' },
      started: '2025-03-12T10:15:00+01:00',
      referrer: { display: 'Dr. Max Muster' },
      numberOfSeries: 1,
      numberOfInstances: 2,
      description: 'CT thorax',
      series: [
        {
          uid: '1.2.3.9',
          number: 2,
          modality: { system: 'http://dicom.nema.org/resources/ontology/DCM', code: 'CT' },
          description: 'lung',
          numberOfInstances: 2,
          bodySite: { display: 'CHEST' },
          laterality: { system: 'http://snomed.info/sct', code: '7771000', display: 'Left' },
          instance: [1, 2].map((n) => ({
            uid: `1.2.3.${n}`,
            sopClass: { system: 'urn:ietf:rfc:3986', code: 'urn:oid:1.2.840.10008.5.1.4.1.1.2' },
            number: n,
          })),
        },
      ],
    });
  });

  it('is valid R4, with everything and with next to nothing', () => {
    const bare = document(1, { attributes: {} });
    const odd = document(1, {
      attributes: {
        Modality: 'what ever?',
        SeriesNumber: '-1',
        InstanceNumber: 'x',
        StudyDate: '20259999',
        PatientBirthDate: '0000',
        PatientName: '^^^^',
      },
    });
    for (const documents of [[document(1), document(2)], [bare], [odd]]) {
      for (const change of studyChanges(study(documents), source)) {
        const issues = validateResource({ id: 'x', ...resourceOf(change) });
        expect(issues.filter((issue) => issue.severity === 'error')).toEqual([]);
      }
    }
  });

  it('knows a person without a number only inside the study', () => {
    const { PatientID: _, ...attributes } = ATTRIBUTES;
    const [patient] = studyChanges(study([document(1, { attributes })]), source);
    expect(patient?.keys).toEqual([['dicom-study', '1.2.3']]);
    expect(resourceOf(patient)).not.toHaveProperty('identifier');
  });

  it('keeps numbers of different issuers apart', () => {
    const keyOf = (over: HeaderAttributes): readonly string[] => instancePatientKey({ ...ATTRIBUTES, ...over }, source);
    expect(keyOf({ IssuerOfPatientID: 'CITY' })).toEqual(['identifier', 'urn:oid:1.2.3.4', '4711']);
    expect(
      keyOf({ IssuerOfPatientID: 'CITY', PatientIssuerUniversal: '2.16.1.9', PatientIssuerUniversalType: 'ISO' }),
    ).toEqual(['identifier', 'urn:oid:2.16.1.9', '4711']);
    expect(keyOf({ IssuerOfPatientID: 'OTHER' })).toEqual(['identifier', 'https://hospital.example/ids/OTHER', '4711']);
  });

  it('takes times by their own offset, else by the zone of the source, else the date', () => {
    const started = (over: HeaderAttributes, zone: string | undefined = source.profile.zone): unknown =>
      resourceOf(
        studyChanges(study([document(1, { attributes: { ...ATTRIBUTES, ...over } })]), {
          ...source,
          profile: { ...source.profile, zone },
        })[1],
      ).started;
    expect(started({ TimezoneOffsetFromUTC: '-0500' })).toBe('2025-03-12T10:15:00-05:00');
    expect(started({ StudyDate: '20250712', StudyTime: '1015' })).toBe('2025-07-12T10:15:00+02:00');
    expect(started({ StudyTime: '10' })).toBe('2025-03-12');
    expect(started({ StudyDate: '2025.03.12', StudyTime: '10:15:00.5' })).toBe('2025-03-12T10:15:00.5+01:00');
    const nowhere = { ...source, profile: { ...source.profile, zone: undefined } };
    expect(resourceOf(studyChanges(study([document(1)]), nowhere)[1]).started).toBe('2025-03-12');
  });

  it('is the same whatever the order of the instances, resends included', () => {
    const documents = [1, 2, 3, 4].map((n) =>
      document(n, { seriesInstanceUid: n % 2 === 0 ? '1.2.3.8' : '1.2.3.9', receivedAt: 5 }),
    );
    const forth = JSON.stringify(studyChanges(study(documents), source));
    expect(JSON.stringify(studyChanges(study([...documents.toReversed(), ...documents]), source))).toBe(forth);
  });

  it('counts a huge study wholly and stays under the size of a record', () => {
    const aggregate = study(
      Array.from({ length: 6_000 }, (_, i) => document(i, { seriesInstanceUid: `1.2.3.9.${i % 40}` })),
    );
    const imaging = resourceOf(studyChanges(aggregate, source)[1]) as {
      numberOfInstances: number;
      series: { numberOfInstances: number; instance?: unknown[] }[];
    };
    const bytes = Buffer.byteLength(JSON.stringify(imaging));
    expect(bytes).toBeLessThan(IMAGING_STUDY_MAX_BYTES);
    expect(bytes).toBeGreaterThan(IMAGING_STUDY_MAX_BYTES * 0.9);
    expect(imaging.numberOfInstances).toBe(6_000);
    expect(imaging.series).toHaveLength(40);
    expect(imaging.series.every((series) => series.numberOfInstances === 150)).toBe(true);
    expect(imaging.series.at(-1)).not.toHaveProperty('instance');
    const many = study(Array.from({ length: 3_000 }, (_, i) => document(i, { seriesInstanceUid: `1.2.3.9.${i}` })));
    const wide = resourceOf(studyChanges(many, source)[1]);
    expect(Buffer.byteLength(JSON.stringify(wide))).toBeLessThan(IMAGING_STUDY_MAX_BYTES);
    expect(wide.numberOfSeries).toBe(3_000);
  });
});

describe('instance document', () => {
  it('is read back as written, padding or not; anything else is undefined', () => {
    const bytes = encodeInstance(document(3));
    expect(decodeInstance(bytes)).toEqual(document(3));
    expect(decodeInstance(Buffer.concat([bytes, Buffer.from('\n\n\n')]))).toEqual(document(3));
    for (const text of ['', '{}', 'null', '{"version":2}']) expect(decodeInstance(Buffer.from(text))).toBeUndefined();
  });
});

describe('person names', () => {
  it('keep their three ways of writing', () => {
    const code = (valueCode: string): object => ({
      extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation', valueCode }],
    });
    expect(humanNames('Yamada^Tarou=山田^太郎=やまだ^たろう')).toEqual([
      { use: 'usual', family: 'Yamada', given: ['Tarou'], ...code('ABC') },
      { use: 'usual', family: '山田', given: ['太郎'], ...code('IDE') },
      { use: 'usual', family: 'やまだ', given: ['たろう'], ...code('SYL') },
    ]);
    expect(humanNames('Doe')).toEqual([{ use: 'usual', family: 'Doe' }]);
    for (const empty of [undefined, '', '^^^^', '=']) expect(humanNames(empty)).toEqual([]);
  });
});
