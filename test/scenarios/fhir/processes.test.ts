import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { startFhirGateway, type FhirGateway } from '../../support/fhir-gateway.ts';
import { denyAll, observationOf, patientOf } from '../../support/fhir-samples.ts';

let first: FhirGateway;
let second: FhirGateway;
beforeAll(async () => {
  first = await startFhirGateway();
  second = await startFhirGateway({ beside: first });
});
afterAll(async () => {
  await second.close();
  await first.close();
});

describe('two processes of one gateway', () => {
  it('see what the other wrote at once: records, Consents, audit trail', async () => {
    const { id } = (await first.practitioner('POST', '/Patient', patientOf('pr1'))).body;
    const seen = (await second.practitioner('POST', '/Observation', observationOf(id, '718-7', '2024-01-01'))).body.id;
    expect((await first.practitioner('GET', `/Observation/${seen}`)).status).toBe(200);
    const patient = await second.as({ role: 'patient', patient: id, subject: 'self' });
    const consent = await patient('POST', '/Consent', denyAll(id));
    expect((await first.practitioner('GET', `/Observation/${seen}`)).status).toBe(403);
    expect((await first.practitioner('GET', `/Observation?patient=${id}`)).body.total).toBe(0);
    await patient('DELETE', `/Consent/${consent.body.id}`);
    expect((await first.practitioner('GET', `/Observation/${seen}`)).status).toBe(200);
    const trail = await patient('GET', `/AuditEvent?patient=${id}`);
    expect(trail.body.entry.filter((entry: any) => entry.resource.outcome === '4').length).toBe(2);
  });

  it('go on with a page of the other', async () => {
    const { id } = (await first.practitioner('POST', '/Patient', patientOf('pr2'))).body;
    for (let day = 1; day <= 3; day += 1) {
      await first.practitioner('POST', '/Observation', observationOf(id, '718-7', `2024-01-0${day}`));
    }
    const page = await first.practitioner('GET', `/Observation?patient=${id}&_count=2`);
    const next = page.body.link.find((link: any) => link.relation === 'next').url.replace(first.base, second.base);
    expect((await second.practitioner('GET', next)).body.entry.length).toBe(1);
  });

  it('lets one of two concurrent updates of one version win', async () => {
    const { id } = (await first.practitioner('POST', '/Patient', patientOf('pr3'))).body;
    const attempts = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        (i % 2 === 0 ? first : second).practitioner(
          'PUT',
          `/Patient/${id}`,
          { ...patientOf('pr3', `Name${i}`), id },
          { 'if-match': 'W/"1"' },
        ),
      ),
    );
    expect(attempts.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200,
      ...Array.from({ length: 9 }, () => 412),
    ]);
    expect((await first.practitioner('GET', `/Patient/${id}`)).headers.get('etag')).toBe('W/"2"');
  });
});

describe('without an audit record there is no answer', () => {
  it('nothing is shown when the access event cannot be written', async () => {
    const { id } = (await first.practitioner('POST', '/Patient', patientOf('na1', 'Unseen'))).body;
    const broken = await startFhirGateway({
      beside: first,
      recordAccess: () => () => Promise.reject(new GatewayError('unavailable', 'the database cannot be reached')),
    });
    try {
      for (const path of [
        `/Patient/${id}`,
        `/Patient/${id}/_history/1`,
        `/Patient/${id}/_history`,
        `/Patient?_id=${id}`,
      ]) {
        const reply = await broken.practitioner('GET', path);
        expect(reply.status, path).toBe(503);
        expect(reply.text, path).not.toContain('Unseen');
        expect(reply.headers.get('retry-after')).toBe('5');
      }
      expect((await broken.practitioner('GET', '/Patient/unknown')).status).toBe(503);
    } finally {
      await broken.close();
    }
  });
});
