import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFhirGateway, type Client, type FhirGateway } from '../../support/fhir-gateway.ts';
import { patientOf } from '../../support/fhir-samples.ts';

let gateway: FhirGateway;
let doctor: Client;
beforeAll(async () => {
  gateway = await startFhirGateway({ limits: { bodyBytes: 20_000 } });
  doctor = gateway.practitioner;
  expect((await doctor('POST', '/Patient', patientOf('alive'))).status).toBe(201);
});
afterAll(() => gateway.close());

/** The process lives and still has what it had. */
async function isAlive(): Promise<void> {
  expect((await doctor('GET', '/Patient?identifier=urn:test:mrn|alive')).body.total).toBe(1);
}

async function raw(text: string): Promise<string> {
  const { port, hostname } = new URL(gateway.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.end(text));
    let answer = '';
    socket.on('data', (data) => (answer += data.toString('latin1')));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

describe('bodies', () => {
  const cases: readonly (readonly [string, number, string | Uint8Array, Record<string, string>])[] = [
    ['garbage', 400, 'this is not JSON', {}],
    ['truncated', 400, JSON.stringify(patientOf('x')).slice(0, -10), {}],
    ['empty', 400, '', {}],
    ['a list', 422, '[]', {}],
    ['null', 422, 'null', {}],
    ['a number', 422, '17', {}],
    ['another type', 422, '{"resourceType":"Observation"}', {}],
    ['no type', 422, '{}', {}],
    ['the same member twice', 400, '{"resourceType":"Patient","resourceType":"Patient"}', {}],
    ['a prototype', 400, '{"resourceType":"Patient","__proto__":{"a":1}}', {}],
    ['deep nesting', 400, `{"resourceType":"Patient","extension":${'['.repeat(5000)}${']'.repeat(5000)}}`, {}],
    ['too large', 413, JSON.stringify({ ...patientOf('x'), language: 'x'.repeat(30_000) }), {}],
    ['a bomb', 413, gzipSync(Buffer.alloc(5_000_000, ' ')), { 'content-encoding': 'gzip' }],
    ['an unknown coding', 415, '{}', { 'content-encoding': 'zstd' }],
    ['Latin-1 bytes', 400, Buffer.from('{"resourceType":"Patient","name":[{"family":"M\u00fcller"}]}', 'latin1'), {}],
    ['a lone surrogate', 400, String.raw`{"resourceType":"Patient","name":[{"family":"\ud800"}]}`, {}],
    ['another charset', 415, '{}', { 'content-type': 'application/fhir+json; charset=iso-8859-1' }],
    ['XML', 415, '<Patient/>', { 'content-type': 'application/fhir+xml' }],
    ['another version', 415, '{}', { 'content-type': 'application/fhir+json; fhirVersion=3.0' }],
    ['wrong types', 422, '{"resourceType":"Patient","name":"Smith","active":"yes","birthDate":7}', {}],
  ];
  it.each(cases)('%s is a %i', async (_name, status, body, headers) => {
    const token = await gateway.token({ role: 'practitioner' });
    const response = await fetch(`${gateway.base}/Patient`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json', ...headers },
      body: typeof body === 'string' ? body : new Uint8Array(body),
    });
    const text = await response.text();
    expect(response.status, text).toBe(status);
    const outcome = JSON.parse(text);
    expect(outcome.resourceType).toBe('OperationOutcome');
    expect(outcome.issue[0].diagnostics.length).toBeGreaterThan(5);
    for (const secret of ['Smith', 'ller', 'not JSON']) expect(text).not.toContain(secret);
    await isAlive();
  });

  it('writes nothing of any of them', async () => {
    const { body } = await doctor('GET', '/Patient?identifier=urn:test:mrn|x');
    expect(body.total).toBe(0);
  });

  it('survives a body that ends too early, a header that never ends, and no HTTP at all', async () => {
    const token = await gateway.token({ role: 'practitioner' });
    const head = `POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/fhir+json\r\n`;
    await raw(`${head}Content-Length: 1000\r\n\r\n{"resourceType":`);
    expect(await raw(`GET /fhir/metadata HTTP/1.1\r\nHost: x\r\nX-Long: ${'y'.repeat(60_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 4/,
    );
    expect(await raw('MSH|^~\\&|not|http\r')).toMatch(/^HTTP\/1\.1 400/);
    await isAlive();
  });
});

describe('tokens', () => {
  const forms = async (): Promise<readonly (readonly [string, string | undefined])[]> => {
    const good = await gateway.token({ role: 'practitioner' });
    const [head = '', payload = '', signature = ''] = good.split('.');
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url');
    const hs = Buffer.from('{"alg":"HS256","typ":"at+jwt"}').toString('base64url');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const forged = Buffer.from(JSON.stringify({ ...claims, role: 'system' })).toString('base64url');
    return [
      ['no header', undefined],
      ['another scheme', 'Basic YTpi'],
      ['no token', 'Bearer '],
      ['garbage', 'Bearer xxx'],
      ['alg none', `Bearer ${none}.${payload}.`],
      ['alg HS256', `Bearer ${hs}.${payload}.${signature}`],
      ['changed claims', `Bearer ${head}.${forged}.${signature}`],
      ['a cut signature', `Bearer ${good.slice(0, -4)}`],
      ['two tokens', `Bearer ${good} ${good}`],
      ['a huge token', `Bearer ${'a'.repeat(12_000)}`],
    ];
  };

  it('are refused with 401 and WWW-Authenticate, whatever is wrong with them', async () => {
    for (const [name, authorization] of await forms()) {
      const response = await fetch(`${gateway.base}/Patient/1`, {
        headers: authorization === undefined ? {} : { authorization },
      });
      expect(response.status, name).toBe(401);
      expect(response.headers.get('www-authenticate'), name).toContain('Bearer');
      expect(((await response.json()) as any).issue[0].code, name).toBe('login');
    }
  });

  it('limit by their scopes', async () => {
    const reader = await gateway.as({ role: 'practitioner', scope: 'user/Patient.rs' });
    expect((await reader('POST', '/Patient', patientOf('scope'))).status).toBe(403);
    expect((await reader('GET', '/Observation?patient=1')).body.entry).toBeUndefined();
    const researcher = await gateway.as({ role: 'researcher' });
    const { body } = await doctor('GET', '/Patient?identifier=alive');
    expect((await researcher('GET', `/Patient/${body.entry[0].resource.id}`)).status).toBe(404);
    expect((await researcher('GET', '/Patient?identifier=alive')).body.total).toBe(0);
  });

  it('are not needed for the capability statement', async () => {
    const response = await fetch(`${gateway.base}/metadata`);
    expect(response.status).toBe(200);
    expect((await fetch(`${gateway.base}/metadata?mode=terminology`)).status).toBe(400);
    expect((await fetch(`${gateway.base}/metadata`, { headers: { accept: 'application/fhir+xml' } })).status).toBe(406);
    expect((await fetch(`${gateway.base}/metadata`, { method: 'POST' })).status).toBe(405);
  });
});
