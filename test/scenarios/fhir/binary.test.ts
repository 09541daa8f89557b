/** Documents that are too large for their resource: out of HL7 v2 messages and FHIR writes, read back over REST. */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { systemRandom } from '../../../src/core/random.ts';
import { ATTACHMENT_INLINE_CHARACTERS, BINARY_JSON_MAX_BYTES } from '../../../src/core/limits.ts';
import { acceptHl7v2 } from '../../../src/services/accept-hl7v2.ts';
import { movingDocuments } from '../../../src/services/move-documents.ts';
import { isBlobNamed } from '../../../src/storage/pg/follower-store.ts';
import { startFhirGateway, type Client, type FhirGateway } from '../../support/fhir-gateway.ts';
import { denyAll, patientOf } from '../../support/fhir-samples.ts';
import { serviceDeps } from '../../support/hl7v2-writer.ts';
import { hl7 } from '../../support/hl7v2.ts';

let gateway: FhirGateway;
let doctor: Client;
beforeAll(async () => {
  gateway = await startFhirGateway();
  doctor = gateway.practitioner;
});
afterAll(() => gateway.close());

const sha1 = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('base64');

async function send(message: string): Promise<string> {
  const { blobs, writer } = gateway;
  const deps = { blobs, random: systemRandom, isBlobNamed: (digest: Uint8Array) => isBlobNamed(writer.pool, digest) };
  const answers = await acceptHl7v2(serviceDeps(movingDocuments(deps, writer.writer)), Buffer.from(message));
  return answers.toString();
}

async function countBlobs(): Promise<number> {
  let count = 0;
  for await (const _ of gateway.blobs.list()) count += 1;
  return count;
}

const letter = (control: string, mrn: string, pdf: Buffer, encoding = 'Base64'): string => {
  const data = encoding === 'Hex' ? pdf.toString('hex') : pdf.toString('base64');
  return hl7('MDM^T02', [
    `PID|1||${mrn}^^^HOSP^MR||Doe^Jane||19800704|F`,
    'TXA|1|DS|AP|20260301||20260301100000||||||D1^REC^' + mrn + '||||f.pdf|AU||AV',
    `OBX|1|ED|18842-5^Discharge summary^LN||^AP^PDF^${encoding}^${data}||||||F`,
  ]).replace('MDM^T02-20260301120000+0100', control);
};

async function documentOf(mrn: string): Promise<any> {
  const patients = await doctor('GET', `/Patient?identifier=${mrn}`);
  expect(patients.body.entry, patients.text).toHaveLength(1);
  const { id } = patients.body.entry[0].resource;
  const found = await doctor('GET', `/DocumentReference?patient=${id}`);
  expect(found.body.entry, found.text).toHaveLength(1);
  return { ...found.body.entry[0].resource, patient: id };
}

const bytesOf = async (path: string, headers: Record<string, string> = {}, token?: string): Promise<Response> =>
  fetch(`${gateway.base}${path}`, {
    headers: { authorization: `Bearer ${token ?? (await gateway.token({ role: 'practitioner' }))}`, ...headers },
  });

describe('a document inside of an HL7 v2 message', () => {
  it('becomes a Binary that gives the bytes back, whole and by range', async () => {
    const pdf = randomBytes(700_001);
    expect(await send(letter('big1', 'b1', pdf))).toContain('MSA|AA|big1');
    const document = await documentOf('b1');
    const { attachment } = document.content[0];
    expect(attachment).toMatchObject({ contentType: 'application/pdf', size: pdf.length, hash: sha1(pdf) });
    expect(attachment.url).toMatch(/^Binary\/[\w-]+$/);
    expect(attachment.data).toBeUndefined();

    const whole = await bytesOf(`/${attachment.url}`, { accept: 'application/pdf' });
    expect(whole.status).toBe(200);
    expect(whole.headers.get('content-type')).toBe('application/pdf');
    expect(whole.headers.get('x-security-context')).toBe(`Patient/${document.patient}`);
    expect(whole.headers.get('content-security-policy')).toContain('sandbox');
    expect(Buffer.from(await whole.arrayBuffer()).equals(pdf)).toBe(true);

    for (const [range, from, to] of [
      ['bytes=65530-65599', 65_530, 65_600],
      ['bytes=700000-', 700_000, 700_001],
      ['bytes=-3', 699_998, 700_001],
    ] as const) {
      const part = await bytesOf(`/${attachment.url}`, { range });
      expect(part.status).toBe(206);
      expect(part.headers.get('content-range')).toBe(`bytes ${from}-${to - 1}/${pdf.length}`);
      expect(Buffer.from(await part.arrayBuffer()).equals(pdf.subarray(from, to))).toBe(true);
    }
    const outside = await bytesOf(`/${attachment.url}`, { range: 'bytes=700001-' });
    expect([outside.status, outside.headers.get('content-range')]).toEqual([416, `bytes */${pdf.length}`]);
  });

  it('is a resource with base64 data for who asks for FHIR; another media type is not acceptable', async () => {
    const pdf = randomBytes(100_000);
    await send(letter('big2', 'b2', pdf, 'Hex'));
    const { url } = (await documentOf('b2')).content[0].attachment;
    for (const accept of ['application/fhir+json', 'application/json']) {
      const { status, body } = await doctor('GET', `/${url}`, undefined, { accept });
      expect(status).toBe(200);
      expect(Buffer.from(body.data, 'base64').equals(pdf)).toBe(true);
      expect(Object.keys(body).toSorted()).toEqual(
        ['contentType', 'data', 'id', 'meta', 'resourceType', 'securityContext'].toSorted(),
      );
    }
    const byFormat = await doctor('GET', `/${url}?_format=json`, undefined, { accept: '*/*' });
    expect(byFormat.body.resourceType).toBe('Binary');
    expect((await bytesOf(`/${url}`, { accept: 'image/png' })).status).toBe(406);
    const version = await bytesOf(`/${url}/_history/1`);
    expect(Buffer.from(await version.arrayBuffer()).equals(pdf)).toBe(true);
  });

  it('is stored once, however often it comes', async () => {
    const pdf = randomBytes(120_000);
    await send(letter('big3', 'b3', pdf));
    const first = await documentOf('b3');
    const before = await countBlobs();
    expect(await send(letter('big3', 'b3', pdf))).toContain('MSA|AA|big3');
    expect(await send(letter('big3b', 'b3', pdf))).toContain('MSA|AA|big3b');
    expect(await countBlobs()).toBe(before);
    expect((await documentOf('b3')).content).toEqual(first.content);
    // Of another patient it is another document.
    await send(letter('big3c', 'b3c', pdf));
    expect(await countBlobs()).toBe(before + 1);
    expect((await documentOf('b3c')).content[0].attachment.url).not.toBe(first.content[0].attachment.url);
  });

  it('leaves no blob behind when the message is refused', async () => {
    const before = await countBlobs();
    const refused = await send(letter('big4', 'b4', randomBytes(120_000)).replace('|P|2.5.1', '|P|3.0'));
    expect(refused).not.toContain('MSA|AA');
    expect(await countBlobs()).toBe(before);
  });

  it('is as sensitive as the record that it belongs to, and denied with it', async () => {
    const hiv = letter('big5', 'b5', randomBytes(120_000)).replace(
      'TXA|1|DS|AP',
      'TXA|1|75622-1^HIV 1 and 2 tests^LN|AP',
    );
    await send(hiv);
    const { content, patient } = await documentOf('b5');
    const { url } = content[0].attachment;
    const json = { accept: 'application/fhir+json' };
    const binary = await doctor('GET', `/${url}`, undefined, json);
    expect(binary.body.meta.security.map(({ code }: { code: string }) => code)).toContain('HIV');
    const denied = await doctor('POST', '/Consent', denyAll(patient));
    expect(denied.status, denied.text).toBe(201);
    for (const headers of [json, { accept: 'application/pdf' }, { range: 'bytes=0-9' }]) {
      const refused = await doctor('GET', `/${url}`, undefined, headers);
      expect([403, 404]).toContain(refused.status);
      expect(refused.text).not.toContain(binary.body.data.slice(0, 40));
    }
  });

  it('whose blob is lost is an error of its own, not half an answer', async () => {
    await send(letter('big7', 'b7', randomBytes(120_000)));
    const { url } = (await documentOf('b7')).content[0].attachment;
    const stat = vi.spyOn(gateway.blobs, 'stat').mockResolvedValue(undefined);
    for (const headers of [{}, { accept: 'application/fhir+json' }]) {
      const read = await bytesOf(`/${url}`, headers);
      expect(read.status).toBe(500);
      expect(((await read.json()) as any).issue[0].diagnostics).toContain('anamnesis verify');
    }
    stat.mockRestore();
    expect((await bytesOf(`/${url}`)).status).toBe(200);
  });

  it('is recorded as read before it is given out', async () => {
    await send(letter('big6', 'b6', randomBytes(120_000)));
    const { content, patient } = await documentOf('b6');
    const { url } = content[0].attachment;
    await bytesOf(`/${url}`, { range: 'bytes=0-0' });
    const self = await gateway.as({ role: 'patient', patient });
    const events = await self('GET', `/AuditEvent?patient=${patient}&_count=100`);
    const named = events.body.entry.map(({ resource }: any) => JSON.stringify(resource.entity));
    expect(named.some((text: string) => text.includes(url))).toBe(true);
  });
});

describe('a Binary by FHIR', () => {
  let patient: string;
  beforeAll(async () => {
    const created = await doctor('POST', '/Patient', patientOf('bin'));
    patient = created.body.id;
  });
  const post = async (
    path: string,
    method: string,
    bytes: Buffer,
    headers: Record<string, string>,
  ): Promise<Response> =>
    fetch(`${gateway.base}${path}`, {
      method,
      body: new Uint8Array(bytes),
      headers: { authorization: `Bearer ${await gateway.token({ role: 'practitioner' })}`, ...headers },
    });

  it.each([10, 500_000])('takes a raw body of %i bytes and gives it back', async (size) => {
    const bytes = randomBytes(size);
    const context = { 'content-type': 'image/png', 'x-security-context': `Patient/${patient}` };
    const created = await post('/Binary', 'POST', bytes, context);
    expect(created.status).toBe(201);
    const { id, ...answered } = (await created.json()) as { id: string };
    expect(JSON.stringify(answered)).not.toContain('sealed-content');
    const read = await bytesOf(`/Binary/${id}`, { accept: 'image/*' });
    expect(read.headers.get('content-type')).toBe('image/png');
    expect(Buffer.from(await read.arrayBuffer()).equals(bytes)).toBe(true);
    const head = await fetch(`${gateway.base}/Binary/${id}`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${await gateway.token({ role: 'practitioner' })}` },
    });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(size)]);

    const next = randomBytes(size + 1);
    expect((await post(`/Binary/${id}`, 'PUT', next, context)).status).toBe(200);
    expect(Buffer.from(await (await bytesOf(`/Binary/${id}`)).arrayBuffer()).equals(next)).toBe(true);
    // What was there before is still there.
    expect(Buffer.from(await (await bytesOf(`/Binary/${id}/_history/1`)).arrayBuffer()).equals(bytes)).toBe(true);
  });

  it('needs a patient, a media type, and no extension of ours', async () => {
    const bytes = Buffer.from('x');
    expect((await post('/Binary', 'POST', bytes, { 'content-type': 'image/png' })).status).toBe(422);
    expect((await post('/Binary', 'POST', bytes, { 'x-security-context': `Patient/${patient}` })).status).toBe(415);
    const stranger = { 'content-type': 'image/png', 'x-security-context': 'Patient/nobody' };
    expect((await post('/Binary', 'POST', bytes, stranger)).status).toBe(422);
    const forged = await doctor('POST', '/Binary', {
      resourceType: 'Binary',
      contentType: 'image/png',
      securityContext: { reference: `Patient/${patient}` },
      _data: {
        extension: [
          {
            url: 'https://anamnesis.health/fhir/StructureDefinition/sealed-content',
            valueAttachment: { url: 'BinaryContent/1' },
          },
        ],
      },
    });
    expect(forged.status).toBe(422);
    expect((await doctor('GET', '/BinaryContent/1')).status).toBe(404);
  });

  it('keeps a large attachment of another resource as a Binary, and a small one inside', async () => {
    const data = randomBytes(ATTACHMENT_INLINE_CHARACTERS).toString('base64');
    const small = Buffer.from('hello').toString('base64');
    const created = await doctor('POST', '/DocumentReference', {
      resourceType: 'DocumentReference',
      status: 'current',
      subject: { reference: `Patient/${patient}` },
      content: [
        { attachment: { contentType: 'application/pdf', title: 'a', data } },
        { attachment: { contentType: 'text/plain', data: small } },
      ],
    });
    expect(created.status, created.text).toBe(201);
    const [large, inside] = created.body.content.map(({ attachment }: any) => attachment);
    expect(inside).toEqual({ contentType: 'text/plain', data: small });
    expect(large).toMatchObject({ contentType: 'application/pdf', title: 'a', size: ATTACHMENT_INLINE_CHARACTERS });
    expect(Buffer.from(await (await bytesOf(`/${large.url}`)).arrayBuffer()).toString('base64')).toBe(data);
    // Twelve of middle size would not fit together either.
    const many = await doctor('POST', '/DocumentReference', {
      ...created.body,
      content: Array.from({ length: 12 }, () => ({
        attachment: { contentType: 'image/png', data: randomBytes(30_000).toString('base64') },
      })),
    });
    expect(many.status, many.text).toBe(201);
    expect(many.body.content.every(({ attachment }: any) => attachment.url !== undefined)).toBe(true);
  });

  it('names no internal record in what is rendered of the message', async () => {
    const found = await doctor('GET', `/Provenance?patient=${patient}`);
    expect(found.status).toBe(200);
    expect(found.text).not.toContain('BinaryContent');
  });

  it('says how to read what is too large for JSON', async () => {
    const bytes = Buffer.alloc(BINARY_JSON_MAX_BYTES + 1, 1);
    const sent = letter('huge', 'huge', bytes);
    expect(await send(sent)).toContain('MSA|AA|huge');
    const { url } = (await documentOf('huge')).content[0].attachment;
    const asJson = await doctor('GET', `/${url}`, undefined, { accept: 'application/fhir+json' });
    expect(asJson.status).toBe(406);
    expect(asJson.text).toContain('media type');
    const raw = await bytesOf(`/${url}`);
    expect(Buffer.from(await raw.arrayBuffer()).equals(bytes)).toBe(true);
  });
});
