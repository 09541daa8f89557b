import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { parseFhirJson, stringifyFhirJson } from '../../../../src/formats/fhir/json.ts';
import { validateResource } from '../../../../src/formats/fhir/validate.ts';
import { SAMPLE_STAY, sampleOru } from '../../../../src/cli/samples/hl7v2.ts';
import { STRUCTURES } from '../../../../src/normalize/hl7v2/structures.ts';
import { MemoryRecord } from '../../../support/hl7v2.ts';

const corpora = process.env.CORPORA_DIR;
if (corpora === undefined) console.log('CORPORA_DIR is not set: corpus tests of HL7 v2 conversion are skipped');

/** Messages of the corpora that lack what the standard requires, with what is said to their senders. */
const DEFECTS: Readonly<Record<string, string>> = {
  // Merges an account without saying which.
  'ADT-A41-02.hl7': 'MRG-3',
  'cx-5.hl7': 'OBR[1]-25',
  'cx-identifier-system-iso-no-cx-4-1.hl7': 'OBR[1]-25',
  'cx-identifier-system-uuid-no-cx-4-1.hl7': 'OBR[1]-25',
  'orc_obr-to-servicerequest_diagnosticreport-obr11-l.hl7': 'OBR[1]-4',
  'orc_obr-to-servicerequest_diagnosticreport-obr25.hl7': 'OBR[1]-4',
  'orc_obr-to-servicerequest_diagnosticreport-prefers-orc-for-identifiers.hl7': 'OBR[1]-4',
  'orc_obr-to-servicerequest_diagnosticreport-requester-practitionerrole-orc22-populated.hl7': 'OBR[1]-4',
};

function check(record: MemoryRecord, name: string): void {
  for (const resource of record.all()) {
    const json = parseFhirJson(stringifyFhirJson(resource));
    const errors = validateResource(json).filter(({ severity }) => severity === 'error');
    expect(errors, `${name} ${resource.resourceType}`).toEqual([]);
  }
  for (const reference of record.references().filter((each) => !each.startsWith('#')))
    expect(record.has(reference), `${name} ${reference}`).toBe(true);
}

describe('the samples of the product', () => {
  it('convert to valid resources without loose references', () => {
    check(new MemoryRecord(...SAMPLE_STAY.map(({ text }) => text)), 'stay');
    check(new MemoryRecord(sampleOru(0), sampleOru(1), sampleOru(2, 0)), 'bench');
  });

  it('one report of the bench is 12 resources of its patient', () => {
    const types = new MemoryRecord(sampleOru(7))
      .all()
      .map(({ resourceType }) => resourceType)
      .filter((type) => type !== 'Practitioner');
    expect(types).toHaveLength(12);
    expect(new MemoryRecord(sampleOru(7), sampleOru(8)).all()).toHaveLength(25);
  });

  it('the stay ends finished, with one corrected result and the others untouched', () => {
    const record = new MemoryRecord(...SAMPLE_STAY.map(({ text }) => text));
    expect(record.one('Encounter')).toMatchObject({
      status: 'finished',
      period: { start: '2025-03-11T09:30:00+01:00', end: '2025-03-14T10:40:00+01:00' },
    });
    expect(record.one('Patient').contact).toHaveLength(1);
    const results = record.all('Observation');
    expect(results.map((result) => String(result.status)).toSorted((a, b) => a.localeCompare(b))).toEqual([
      'corrected',
      ...Array.from({ length: 7 }, () => 'final'),
    ]);
    expect(results.map((result) => record.versions(result)).toSorted((a, b) => a - b)).toEqual([
      1, 1, 1, 1, 1, 1, 1, 2,
    ]);
    expect(record.one('DiagnosticReport')).toMatchObject({ status: 'corrected', result: { length: 8 } });
  });
});

describe.skipIf(corpora === undefined)('corpora', () => {
  const files = ['hl7v2/microsoft', 'hl7v2/cdc'].flatMap((folder) =>
    corpora === undefined
      ? []
      : readdirSync(join(corpora, folder), { recursive: true, encoding: 'utf8' })
          .filter((name) => name.endsWith('.hl7'))
          .map((name) => join(corpora, folder, name)),
  );
  const isTaken = (bytes: Buffer): boolean => {
    const [, type = '', event = ''] =
      /^(?:\xef\xbb\xbf)?MSH(?:\|[^|\r\n]*){7}\|(\w+)\^(\w+)/.exec(bytes.toString('latin1')) ?? [];
    return STRUCTURES[type]?.[event] !== undefined;
  };

  it('every message that is taken converts, or is refused for a defect that is named', () => {
    let converted = 0;
    for (const file of files) {
      const bytes = readFileSync(file);
      if (!isTaken(bytes)) continue;
      const name = file.split('/').at(-1) ?? '';
      try {
        check(new MemoryRecord(bytes), name);
        expect(DEFECTS[name], name).toBeUndefined();
        converted++;
      } catch (thrown) {
        if (!(thrown instanceof GatewayError)) throw thrown;
        const expected = bytes.includes('\nPID') || bytes.includes('\rPID') ? DEFECTS[name] : 'PID';
        expect(thrown.expression, name).toBe(expected);
      }
    }
    expect(converted).toBeGreaterThan(70);
  });

  it('what is not taken yet is refused by its type or event', () => {
    for (const file of files) {
      const bytes = readFileSync(file);
      if (isTaken(bytes)) continue;
      expect(() => new MemoryRecord(bytes), file).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^(unsupported-message-type|unsupported-event)$/) }),
      );
    }
  });
});
