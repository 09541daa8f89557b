import { describe, expect, it } from 'vitest';
import { parseMessageDetails, type MessageDetails } from '../../../src/audit/message-details.ts';
import { renderMessageHeader } from '../../../src/audit/message-header.ts';
import { renderProvenance, renderTransformation } from '../../../src/audit/provenance.ts';
import type { RenderedMessage } from '../../../src/audit/rendered.ts';
import { parseSubmitter } from '../../../src/audit/submitter.ts';
import { validateResource } from '../../../src/formats/fhir/validate.ts';
import { normalize } from '../../support/hl7v2.ts';

const message: MessageDetails = {
  messageCode: 'ORU',
  event: 'R01',
  controlId: 'MSG00017',
  messageTime: '2026-11-22T08:15:00-05:00',
  version: '2.5.1',
  sendingApplication: { name: 'LAB' },
  sendingFacility: { name: 'STMARY', uri: 'urn:oid:2.16.840.1.113883.3.1' },
  receivingFacility: { name: 'EHR' },
};
const rendered: RenderedMessage = {
  id: '0b5f2f6a-5d8e-4b63-8f7e-6f0d8a1c2b3d',
  origin: 'stmary.example/anamnesis',
  leaf: 4711,
  kind: 'hl7v2',
  source: 'lab',
  receivedAt: Date.UTC(2026, 10, 22, 13, 15),
  message,
  submitter: undefined,
  produced: ['Patient/p1/_history/1', 'Observation/o1/_history/2'],
};
const errors = (resource: unknown) => validateResource(resource).filter((issue) => issue.severity === 'error');

describe('resources rendered from a manifest', () => {
  it('are valid R4 and say where things came from', () => {
    const header = renderMessageHeader(rendered);
    const provenance = renderProvenance(rendered);
    expect(errors(header)).toEqual([]);
    expect(errors(provenance)).toEqual([]);
    expect(header).toMatchObject({
      eventCoding: { system: 'http://terminology.hl7.org/CodeSystem/v2-0003', code: 'R01' },
      source: { name: 'LAB', endpoint: 'urn:oid:2.16.840.1.113883.3.1' },
      sender: { display: 'STMARY' },
      focus: [{ reference: 'Patient/p1/_history/1' }, { reference: 'Observation/o1/_history/2' }],
    });
    expect(provenance).toMatchObject({
      target: [{ reference: 'Patient/p1/_history/1' }, { reference: 'Observation/o1/_history/2' }],
      recorded: '2026-11-22T13:15:00.000Z',
      occurredDateTime: '2026-11-22T08:15:00-05:00',
    });
    expect(JSON.stringify(provenance)).toContain('"4711"');
  });

  it('say who did it, when, where and why, as far as EVN, PID-33, PID-34 and SCH-20 do', () => {
    const provenanceOf = (segments: readonly string[]): any => {
      const { details } = normalize(`${segments.join('\r')}\r`);
      const kept = parseMessageDetails(JSON.parse(JSON.stringify(details)));
      const provenance = renderProvenance({ ...rendered, message: kept });
      expect(errors(provenance)).toEqual([]);
      return provenance;
    };
    const msh = (type: string): string => `MSH|^~\\&|ADT|HOSP|GW|HOSP|20260301120000+0100||${type}|C1|P|2.7`;
    const pid = `PID|1||123^^^HOSP^MR||Doe^Jane${'|'.repeat(28)}20260228080000+0100|CLINIC`;
    const evn = 'EVN||20260301120000+0100||01|77^Clerk^Ann^^^^^^HOSP|20260301110000+0100|WEST';
    expect(provenanceOf([msh('ADT^A31'), evn, pid])).toMatchObject({
      occurredDateTime: '2026-03-01T11:00:00+01:00',
      location: { display: 'WEST' },
      reason: [{ coding: [{ code: 'PATRQT' }] }],
      agent: [
        { type: { coding: [{ code: 'author' }] } },
        {
          type: { coding: [{ code: 'enterer' }] },
          who: { identifier: { system: 'https://hospital.example/ids/HOSP/PRN', value: '77' }, display: 'Ann Clerk' },
        },
        { type: { coding: [{ code: 'performer' }] }, who: { identifier: { value: 'CLINIC' } } },
        { type: { coding: [{ code: 'custodian' }] } },
      ],
    });
    const orc = 'ORC|NW|P1^EHR|||||||20260301100000+0100|8^Typist^Bo^^^^^^HOSP|9^Checker^Cy^^^^^^HOSP';
    const obr = 'OBR|1|P1^EHR||1^x^L';
    const ordered = provenanceOf([msh('ORM^O01'), pid, orc, obr]);
    expect(ordered).toMatchObject({ occurredDateTime: '2026-03-01T10:00:00+01:00' });
    expect(ordered.agent).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ who: expect.objectContaining({ display: 'Bo Typist' }) }),
        expect.objectContaining({ who: expect.objectContaining({ display: 'Cy Checker' }) }),
      ]),
    );
    const another = orc.replace('P1', 'P2').replace('8^Typist', '7^Other');
    const both = provenanceOf([msh('ORM^O01'), pid, orc, obr, another, obr.replace('P1', 'P2')]);
    expect(JSON.stringify(both.agent)).not.toContain('Typist');
    expect(JSON.stringify(both.agent)).toContain('Checker');
    expect(JSON.stringify(provenanceOf([msh('ORU^R01'), pid, orc, obr]).agent)).not.toContain('Typist');
    expect(provenanceOf([msh('ADT^A31'), 'EVN|||||U', pid]).occurredDateTime).toBe('2026-02-28T08:00:00+01:00');
    expect(provenanceOf([msh('ADT^A31'), 'EVN||||U', pid]).reason).toMatchObject([
      { extension: [{ valueCode: 'unknown' }] },
    ]);
    const result = [msh('ORU^R01'), pid, 'OBR|1|P1||1^A^L', 'OBX|1|NM|1^A^L||1||||||F'];
    expect(provenanceOf(result).occurredDateTime).toBe('2026-03-01T12:00:00+01:00');
    const sch = `SCH|P1|F1${'|'.repeat(18)}^Desk^Eve`;
    expect(provenanceOf([msh('SIU^S12'), sch, 'PID|1||123^^^HOSP^MR']).agent[1].who).toEqual({ display: 'Eve Desk' });
  });

  it('of a message that was kept and converted later name the leaf of when it came as well', () => {
    const provenance = renderProvenance({ ...rendered, original: 17 });
    expect(errors(provenance)).toEqual([]);
    const leaves = ['4711', '17'].map((value) => ({ what: { identifier: { value } } }));
    expect(provenance.entity).toMatchObject([...leaves, {}]);
    expect(renderTransformation({ ...rendered, original: 17 }, 't-1')).toMatchObject({ entity: [...leaves, {}] });
  });

  it('say that a message was turned into FHIR, and from what', () => {
    const transformation = renderTransformation(rendered, 't-4711');
    expect(errors(transformation)).toEqual([]);
    expect(transformation).toMatchObject({
      id: 't-4711',
      target: renderProvenance(rendered).target,
      activity: { coding: [{ code: 'v2-fhir-transformation' }] },
      agent: [{ type: { coding: [{ code: 'assembler' }] } }],
    });
    expect(JSON.stringify(transformation)).toContain(`MessageHeader/${rendered.id}`);
    const study = { ...rendered, kind: 'dicom-study', message: undefined };
    expect(errors(renderTransformation(study, 't-1'))).toEqual([]);
    expect(errors(renderProvenance(study))).toEqual([]);
    expect(renderTransformation({ ...study, kind: 'fhir' }, 't-1')).toBeUndefined();
  });

  it('make a Provenance but no MessageHeader of what was not a message', () => {
    const details = {
      interaction: 'update',
      requestId: 'r',
      agent: { issuer: 'https://idp.example', role: 'practitioner', purpose: 'TREAT', client: 'app', subject: 'lee' },
    };
    const submitter = parseSubmitter(details);
    const plain = { ...rendered, kind: 'fhir', source: 'client:app', message: undefined, submitter };
    expect(renderMessageHeader(plain)).toBeUndefined();
    const provenance = renderProvenance(plain);
    expect(errors(provenance)).toEqual([]);
    expect(provenance).toMatchObject({
      activity: { coding: [{ code: 'UPDATE' }] },
      reason: [{ coding: [{ code: 'TREAT' }] }],
      agent: [
        { who: { identifier: { system: 'https://idp.example', value: 'lee' } } },
        { who: { identifier: { value: 'app' } } },
        { type: { coding: [{ code: 'custodian' }] } },
      ],
    });
  });

  it('name a patient who wrote only by the reference that the caller may see', () => {
    const key = '00000000-0000-4000-8000-000000000001';
    const submitter = parseSubmitter({ interaction: 'create', agent: { issuer: 'i', role: 'patient', patient: key } });
    const plain = { ...rendered, kind: 'fhir', source: 'client:patient', message: undefined };
    const hidden = renderProvenance({ ...plain, submitter });
    const shown = renderProvenance({ ...plain, submitter: submitter && { ...submitter, patient: 'Patient/p1' } });
    expect([errors(hidden), errors(shown)]).toEqual([[], []]);
    expect(JSON.stringify(hidden)).not.toContain(key);
    expect(shown).toMatchObject({ agent: [{ who: { reference: 'Patient/p1' } }, {}] });
    expect(parseSubmitter({ messageCode: 'ADT' })).toBeUndefined();
  });

  it('come back from the details of a manifest', () => {
    expect(parseMessageDetails(JSON.parse(JSON.stringify(message)))).toEqual(message);
    expect(parseMessageDetails({ interaction: 'create' })).toBeUndefined();
    const { sendingApplication: _, ...without } = message;
    expect(parseMessageDetails(without)).toEqual(without);
  });
});
