/**
 * Bad input by every protocol against the running product, under good traffic: each gets the protocol's own clear error, the
 * process lives and serves the next, the good traffic never stumbles, and nothing of the bad is written.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT, UnsecuredJWT } from 'jose';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CT_IMAGE_STORAGE, SAMPLE_CT, sampleCtDataSet } from '../../src/cli/samples/dicom.ts';
import { sampleOru } from '../../src/cli/samples/hl7v2.ts';
import { openAssociation } from '../../src/clients/dicom.ts';
import { connectMllp, type MllpClient } from '../../src/clients/mllp.ts';
import { systemRandom } from '../../src/core/random.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../src/formats/dicom/uid.ts';
import { fileKeyProvider } from '../../src/storage/key-file.ts';
import { element } from '../support/canary-dicom.ts';
import { runCommand, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';
import { ASSOCIATE_RQ, rawPeer } from '../support/raw-dicom-peer.ts';

const MESSAGE_BYTES = 100_000;
const BODY_BYTES = 60_000;
const OBJECT_BYTES = 1_048_576;
const dataDir = mkdtempSync(join(tmpdir(), 'anamnesis-bad-input-'));
const env = {
  HL7_MAX_MESSAGE_BYTES: String(MESSAGE_BYTES),
  FHIR_MAX_BODY_BYTES: String(BODY_BYTES),
  DICOM_MAX_OBJECT_BYTES: String(OBJECT_BYTES),
  FREE_DISK_FLOOR_BYTES: '1000000',
};
const TOKEN = ['--role', 'practitioner', '--sub', 'dr-good'];

let gateway: GatewayProcess;
let token: string;
let traffic: { stop(): Promise<number> };

beforeAll(async () => {
  gateway = await startGatewayProcess({ dataDir, env });
  token = (await runCommand(['token', ...TOKEN], { dataDir, env })).stdout.trim();
  traffic = goodTraffic(3);
});
afterAll(async () => {
  await gateway.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

/** Reports that must all be accepted, until stopped; then their number. */
function goodTraffic(connections: number): { stop(): Promise<number> } {
  let stopping = false;
  let next = 0;
  const send = async (): Promise<number> => {
    const client = await connectMllp({ ...gateway.mllp, timeoutMs: 30_000 });
    let taken = 0;
    while (!stopping) {
      const answer = (await client.send(Buffer.from(sampleOru(next++)))).toString();
      if (!answer.includes('\rMSA|AA|')) throw new Error(`a good report was refused: ${answer}`);
      taken += 1;
    }
    client.close();
    return taken;
  };
  const all = Promise.all(Array.from({ length: connections }, send));
  all.catch(() => {});
  return {
    async stop() {
      stopping = true;
      return (await all).reduce((sum, taken) => sum + taken, 0);
    },
  };
}

async function query<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> {
  const [, , , port, host] = readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n');
  const client = new pg.Client({ host, port: Number(port), user: 'postgres', database: 'postgres' });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Sends bytes as they are; what came back until the peer closed, or until it is what is waited for, or `waitMs` in vain. */
function raw(
  port: number,
  bytes: Buffer | string,
  { until, waitMs = 30_000 }: { readonly until?: RegExp; readonly waitMs?: number } = {},
): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(bytes));
    let answer = '';
    const timer = setTimeout(() => socket.destroy(), waitMs);
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (until?.test(answer) === true) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}

async function get(path: string, authorization = `Bearer ${token}`): Promise<{ status: number; body: any }> {
  const response = await fetch(`${gateway.http}${path}`, { headers: { authorization } });
  return { status: response.status, body: await response.json() };
}

describe('HL7 v2 over MLLP', () => {
  let client: MllpClient;
  beforeAll(async () => {
    client = await connectMllp({ ...gateway.mllp, timeoutMs: 30_000 });
  });
  afterAll(() => client.close());

  const msh = (type: string, rest = 'BAD-1|P|2.5.1|||||DEU|UNICODE UTF-8'): string =>
    `MSH|^~\\&|LAB|STMARY|GW|STMARY|20250311093100+0100||${type}|${rest}\r`;
  const pid = 'PID|1||BAD-1^^^^MR||Schlecht^Siegfried||19610213|M\r';
  const order = 'OBR|1|BAD-P|BAD-F|24323-8^Panel^LN|||20250311101500+0100|||||||||||||||20250311114500+0100|||F\r';
  const obx = 'OBX|1|NM|718-7^Hb^LN||12.1|g/dL|||||F\r';
  const cases: readonly (readonly [string, string | Buffer, RegExp])[] = [
    ['garbage', 'all that glitters is not gold', /MSA\|A[ER]\|/],
    ['random bytes', Buffer.from(Array.from({ length: 4_000 }, (_, i) => ((i * 7_919) % 223) + 32)), /MSA\|A[ER]\|/],
    ['only a header', msh('ORU^R01^ORU_R01'), /MSA\|AA\|BAD-1.*\rERR\|.*101\^.*\|W\|/s],
    ['a header without type and control id', 'MSH|^~\\&|LAB|STMARY\r', /MSA\|A[ER]\|/],
    ['an event of nobody', `${msh('ADT^A99')}${pid}`, /MSA\|AA\|BAD-1.*\rERR\|.*201\^.*\|W\|/s],
    ['a message type of nobody', `${msh('QQQ^Q99')}${pid}`, /MSA\|AA\|BAD-1.*\rERR\|.*200\^.*\|W\|/s],
    ['another version', `${msh('ORU^R01', 'BAD-1|P|9.9')}${pid}`, /MSA\|AR\|BAD-1.*\rERR\|.*203\^/s],
    ['no patient', `${msh('ORU^R01^ORU_R01')}${order}${obx}`, /MSA\|AA\|BAD-1.*\rERR\|.*101\^.*\|W\|/s],
    ['an impossible date', `${msh('ORU^R01^ORU_R01')}PID|1||BAD-1^^^^MR||A^B||19611345\r${order}${obx}`, /MSA\|A/],
    ['text as a number', `${msh('ORU^R01^ORU_R01')}${pid}${order}OBX|1|NM|1^A^LN||{}[]||||||F\r`, /MSA\|A/],
    [
      'bytes that are not UTF-8',
      Buffer.from(`${msh('ORU^R01^ORU_R01')}${pid.replace('Schlecht', 'Sch\u00fcler')}${order}${obx}`, 'latin1'),
      /MSA\|AE\|BAD-1.*\rERR\|.*102\^/s,
    ],
    [
      'an unknown character set',
      `${msh('ORU^R01', 'BAD-1|P|2.5|||||DEU|KLINGON')}${pid}`,
      /MSA\|A[ER]\|BAD-1.*\rERR\|/s,
    ],
    [
      'too many bytes',
      `${msh('ORU^R01^ORU_R01')}${pid}NTE|1|L|${'x'.repeat(MESSAGE_BYTES)}\r`,
      /MSA\|AR\|BAD-1.*\rERR\|/s,
    ],
    ['deep repetition', `${msh('ORU^R01^ORU_R01')}PID|1||${'~^&'.repeat(30_000)}\r${order}${obx}`, /MSA\|A/],
    ['endless fields', `${msh('ORU^R01^ORU_R01')}PID|${'|'.repeat(95_000)}\r${order}`, /MSA\|A/],
    ['endless segments', `${msh('ORU^R01^ORU_R01')}${pid}${order}${'OBX\r'.repeat(20_000)}`, /MSA\|A/],
    [
      'a batch whose count is wrong',
      `BHS|^~\\&\r${msh('ORU^R01^ORU_R01')}${pid}${order}${obx}BTS|9\r`,
      /MSA\|A[ER]\|BAD-1/,
    ],
  ];
  it.each(cases)('%s', async (_name, message, expected) => {
    const answer = (await client.send(Buffer.from(message))).toString();
    expect(answer).toMatch(/^(BHS|MSH)\|/);
    expect(answer).toMatch(expected);
    // Names come back in no error.
    expect(answer).not.toMatch(/Schlecht|Siegfried|ler/);
  });

  it('what is no frame, a frame cut short, NULs and an empty frame end nothing', async () => {
    const { port } = gateway.mllp;
    expect(await raw(port, 'GET / HTTP/1.1\r\n\r\n', { waitMs: 200 })).toBe('');
    await raw(port, `\x0b${sampleOru(9_000_000).slice(0, 300)}`, { waitMs: 200 });
    await raw(port, Buffer.alloc(50_000), { waitMs: 200 });
    const good = sampleOru(9_000_001);
    const taken = /\rMSA\|AA\|/;
    expect(await raw(port, `\0\0\x0b\x1c\r\0\x0b${good}\x1c\r`, { until: taken })).toMatch(taken);
  });

  it('a batch of nothing, and a frame beyond all bounds that never ends', async () => {
    const { port } = gateway.mllp;
    const answer = await raw(
      port,
      `\x0b${'MSH|^~\\&|X'.padEnd(3 * MESSAGE_BYTES, 'x')}\x1c\r\x0b${sampleOru(9_000_002)}\x1c\r`,
      { until: /\rMSA\|AA\|/ },
    );
    expect(answer).toContain('\rMSA|AR|');
    expect(answer).toContain('\rMSA|AA|');
  });
});

describe('DICOM', () => {
  const CT = { sopClassUid: CT_IMAGE_STORAGE, transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN };
  const peer = (): Parameters<typeof openAssociation>[0] => ({
    ...gateway.dicom,
    calledAe: 'ANAMNESIS',
    callingAe: 'BAD',
    timeoutMs: 20_000,
  });
  const store = async (dataSet: Buffer, sopInstanceUid = '2.25.99887766'): Promise<number | string> => {
    const association = await openAssociation(peer(), [CT]);
    try {
      const { status } = await association.store({ ...CT, sopInstanceUid, dataSet: [dataSet] });
      await association.release();
      return status;
    } catch (thrown) {
      association.abort();
      return thrown instanceof Error ? thrown.message : 'thrown';
    }
  };
  const image = { ...SAMPLE_CT, sopInstanceUid: '2.25.99887766', patientId: 'BAD-DICOM' };

  it('refuses data sets that are none, cut short, of another object, or nested without end', async () => {
    const good = sampleCtDataSet(image);
    const nested = (depth: number): Buffer => {
      let inner = element(0x00080100, 'SH', 'X');
      for (let i = 0; i < depth; i += 1) {
        const item = Buffer.from('feff00e000000000', 'hex');
        item.writeUInt32LE(inner.length, 4);
        inner = element(0x00081032, 'SQ', Buffer.concat([item, inner]));
      }
      return inner;
    };
    for (const bytes of [
      Buffer.from('no data set'),
      Buffer.alloc(0),
      Buffer.alloc(3_000, 0xff),
      good.subarray(0, 100),
      nested(5_000),
    ]) {
      expect(await store(bytes)).toSatisfy((status: unknown) => typeof status === 'number' && status >= 0xa800);
    }
    expect(await store(good, '2.25.1')).toSatisfy((status: unknown) => typeof status === 'number' && status >= 0xa800);
  });

  it('ends what is too large', async () => {
    const large = Buffer.concat([sampleCtDataSet(image), Buffer.alloc(2 * OBJECT_BYTES)]);
    expect(await store(large)).not.toBe(0);
  });

  it('aborts what is no PDU, out of order or endless, and forgets who goes away', async () => {
    const { port } = gateway.dicom;
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from('0400ffffffff', 'hex'),
      Buffer.from('0100ffffffff', 'hex'),
      Buffer.from('ff0000000000', 'hex'),
      Buffer.from('0400000000040102ffff', 'hex'),
    ]) {
      const hostile = rawPeer(port);
      hostile.write(bytes);
      const answer = await hostile.next();
      expect(answer === undefined || ('type' in answer && answer.type === 'A-ABORT')).toBe(true);
      hostile.reset();
      await hostile.closed;
    }
    const gone = rawPeer(port);
    gone.send(ASSOCIATE_RQ);
    expect(await gone.next()).toMatchObject({ type: 'A-ASSOCIATE-AC' });
    gone.write(Buffer.from('04000001000000000100', 'hex'));
    gone.reset();
    await gone.closed;
    const association = await openAssociation(peer(), [CT]);
    expect(await association.echo()).toMatchObject({ status: 0 });
    await association.release();
  });
});

describe('FHIR over HTTP', () => {
  const bad = (fields: object): string =>
    JSON.stringify({ resourceType: 'Patient', identifier: [{ system: 'urn:bad', value: 'BAD-FHIR' }], ...fields });
  const cases: readonly (readonly [string, number, string | Buffer, Record<string, string>])[] = [
    ['garbage', 400, 'not JSON at all', {}],
    ['cut short', 400, bad({}).slice(0, -5), {}],
    ['too large', 413, bad({ language: 'x'.repeat(BODY_BYTES) }), {}],
    ['Latin-1', 400, Buffer.from(bad({ name: [{ family: 'Sch\u00fcler' }] }), 'latin1'), {}],
    ['wrong types', 422, bad({ active: 'yes', birthDate: 7, name: 'Schlecht' }), {}],
    [
      'deep nesting',
      400,
      `{"resourceType":"Patient","extension":${'[{"extension":'.repeat(3_000)}1${'}]'.repeat(3_000)}}`,
      {},
    ],
    ['XML', 415, '<Patient xmlns="http://hl7.org/fhir"/>', { 'content-type': 'application/fhir+xml' }],
    [
      'half a transaction',
      422,
      JSON.stringify({
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [
          { request: { method: 'POST', url: 'Patient' }, resource: JSON.parse(bad({})) },
          { request: { method: 'POST', url: 'Patient' }, resource: JSON.parse(bad({ gender: 'nobody' })) },
        ],
      }),
      {},
    ],
  ];
  it.each(cases)('%s is a %i with an OperationOutcome', async (name, status, body, headers) => {
    const response = await fetch(`${gateway.http}/fhir${name === 'half a transaction' ? '' : '/Patient'}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json', ...headers },
      body: typeof body === 'string' ? body : new Uint8Array(body),
    });
    const text = await response.text();
    expect(response.status, text).toBe(status);
    expect(JSON.parse(text)).toMatchObject({ resourceType: 'OperationOutcome' });
    expect(text).not.toMatch(/Schlecht|BAD-FHIR/);
  });

  it('answers what is hardly HTTP with 4xx and lives', async () => {
    const port = Number(new URL(gateway.http).port);
    const head = `POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/fhir+json\r\n`;
    expect(await raw(port, '\x0bMSH|^~\\&|not|http\r\x1c\r')).toMatch(/^HTTP\/1\.1 400/);
    expect(await raw(port, `GET /fhir/metadata HTTP/1.1\r\nHost: x\r\nX-Long: ${'y'.repeat(60_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 4/,
    );
    expect(await raw(port, `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`)).toMatch(/^HTTP\/1\.1 400/);
    expect(await raw(port, `${head}Content-Length: 3\r\nContent-Length: 4\r\n\r\n{}`)).toMatch(/^HTTP\/1\.1 400/);
    // A body that never comes: the client goes away.
    const socket = connect({ host: '127.0.0.1', port }, () =>
      socket.write(`${head}Content-Length: 1000\r\n\r\n{"resource`),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.destroy();
    expect((await get('/fhir/Patient?identifier=urn:bad%7CBAD-FHIR')).body).toMatchObject({ total: 0 });
  });
});

describe('access tokens', () => {
  it('that are expired, early, forged, of another issuer or audience, or of another kind are a 401', async () => {
    const { keySet } = await fileKeyProvider({ path: join(dataDir, 'gateway.key'), random: systemRandom }).load({
      create: false,
    });
    const { privateKey, publicKey } = keySet.issuer;
    const now = Math.floor(Date.now() / 1000);
    const payload = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
    const header = JSON.parse(Buffer.from(token.split('.')[0], 'base64url').toString());
    const signed = (claims: object, head: object = {}): Promise<string> =>
      new SignJWT({ ...payload, ...claims }).setProtectedHeader({ ...header, ...head }).sign(privateKey);
    const hmac = (secret: Uint8Array): Promise<string> =>
      new SignJWT(payload).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' }).sign(secret);
    const { privateKey: stranger } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
    ]);
    const [head, , signature] = token.split('.');
    const tampered = Buffer.from(JSON.stringify({ ...payload, role: 'system', scope: 'system/*.cruds' })).toString(
      'base64url',
    );
    const spki = publicKey.export({ type: 'spki', format: 'pem' });
    const { x = '' } = publicKey.export({ format: 'jwk' });
    expect((await get('/fhir/Patient/1', `Bearer ${await signed({})}`)).status).toBe(404);
    const forms: Readonly<Record<string, string>> = {
      expired: await signed({ iat: now - 7200, exp: now - 60 }),
      'not yet valid': await signed({ nbf: now + 600 }),
      'issued in the future': await signed({ iat: now + 600, exp: now + 1200 }),
      'without expiry': await signed({ exp: undefined }),
      'for another audience': await signed({ aud: 'https://elsewhere.example' }),
      'of another issuer': await signed({ iss: 'https://elsewhere.example' }),
      'of another type': await signed({}, { typ: 'JWT' }),
      'of an unknown role': await signed({ role: 'emperor' }),
      'alg none': new UnsecuredJWT(payload).encode(),
      'HS256 with the public key': await hmac(Buffer.from(spki)),
      'HS256 with a coordinate of the public key': await hmac(Buffer.from(x, 'base64url')),
      'signed by a stranger': await new SignJWT(payload).setProtectedHeader(header).sign(stranger),
      tampered: `${head}.${tampered}.${signature}`,
      'cut short': token.slice(0, -3),
      garbage: 'a.b.c',
    };
    for (const [name, form] of Object.entries(forms)) {
      const { status, body } = await get('/fhir/Patient/1', `Bearer ${form}`);
      expect(status, name).toBe(401);
      expect(body, name).toMatchObject({ resourceType: 'OperationOutcome', issue: [{ code: 'login' }] });
    }
  });
});

describe('after all of it', () => {
  it('the good traffic never stumbled, nothing bad is there, the same process serves, and the ledger verifies', async () => {
    const taken = await traffic.stop();
    expect(taken).toBeGreaterThan(20);
    const [{ messages, kept }] = await query<{ messages: number; kept: number }>(
      `select (select count(*)::int from message where leaf not in (select leaf from quarantine)) as messages,
              (select count(*)::int from quarantine) as kept`,
    );
    // What is well-formed and means nothing to us is kept as it came.
    expect(kept).toBeGreaterThanOrEqual(4);
    // Two whole frames among the bad ones were good, and some of the doubtful ones may be taken; the rest left no row.
    expect(messages).toBeGreaterThanOrEqual(taken + 2);
    expect(messages).toBeLessThanOrEqual(taken + 2 + 4);
    for (const path of [
      '/fhir/Patient?identifier=urn:bad%7CBAD-FHIR',
      '/fhir/Patient?identifier=BAD-DICOM',
      '/fhir/ImagingStudy',
    ]) {
      expect((await get(path)).body, path).toMatchObject({ total: 0 });
    }
    const blobs = readdirSync(join(dataDir, 'blobs'), { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    expect(blobs.map(({ name }) => name)).toEqual([]);
    expect(await (await fetch(`${gateway.http}/readyz`)).text()).toContain('"ready"');
    expect(gateway.output()).not.toContain('uncaught');
    expect(await gateway.stop()).toBe(0);
    expect(await runCommand(['verify'], { dataDir, env })).toMatchObject({ code: 0 });
  });
});
