/**
 * No plaintext at rest (DESIGN section 7): unique made-up PHI is sent in every field by every protocol, in messages that are taken
 * and in ones that are refused; then every file of the data directory, a text dump of every table, the logs, the metrics and
 * all error answers are searched for it, in every usual encoding. Planted canaries show that the search finds what is there.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CT_IMAGE_STORAGE } from '../../src/cli/samples/dicom.ts';
import { openAssociation } from '../../src/clients/dicom.ts';
import { connectMllp } from '../../src/clients/mllp.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../src/formats/dicom/uid.ts';
import { Canaries, type Finding } from '../support/canary.ts';
import { canaryInstance } from '../support/canary-dicom.ts';
import { badRequests, goodRequests, type FhirRequest } from '../support/canary-fhir.ts';
import { canaryMessages, wrongMessages } from '../support/canary-hl7v2.ts';
import { runCommand, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';

const canaries = new Canaries();
const dataDir = mkdtempSync(join(tmpdir(), 'anamnesis-canary-'));
const env = { LOG_LEVEL: 'debug', FREE_DISK_FLOOR_BYTES: '1000000' };
/** Everything that was said to somebody who was refused. */
const refusals: string[] = [];
/** Names (not values) that a client is told are unknown: they come back in the answer to that very request, and nowhere else. */
const NAMES = ['parameter', 'modifier', 'target', 'chain', 'reverse chain', 'member'].map((name) => `bad fhir ${name}`);
let gateway: GatewayProcess;
let token: string;

beforeAll(async () => {
  gateway = await startGatewayProcess({ dataDir, env });
  token = await tokenOf('practitioner', canaries.text('sub of the token'));
});
afterAll(async () => {
  await gateway.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function tokenOf(role: string, sub: string): Promise<string> {
  const { stdout, code, stderr } = await runCommand(['token', '--role', role, '--sub', sub], { dataDir, env });
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

async function fhir({ method, path, headers, body }: FhirRequest): Promise<{ status: number; text: string }> {
  const response = await fetch(`${gateway.http}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, text: await response.text() };
}

/** A query on the gateway's own database, as a superuser. */
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

/** All files below the data directory, after everything in memory was written: heap, indexes, WAL, blobs, keys, logs. */
async function files(): Promise<string[]> {
  await query('analyze');
  await query('checkpoint');
  return readdirSync(dataDir, { recursive: true, encoding: 'utf8' })
    .map((name) => join(dataDir, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
}

/** Nothing of a file that goes away while we look: a temporary one of the server. */
function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return Buffer.alloc(0);
    throw thrown;
  }
}

function searchFiles(paths: readonly string[]): { findings: Finding[]; bytes: number } {
  const findings: Finding[] = [];
  let bytes = 0;
  for (const path of paths) {
    const content = contentOf(path);
    bytes += content.length;
    findings.push(...canaries.find(path, content), ...canaries.find('a file name', Buffer.from(path)));
  }
  return { findings, bytes };
}

/** Every row of every table as text, values out of line and compressed ones included; bytea in hexadecimal. */
async function searchTables(): Promise<{ findings: Finding[]; rows: number }> {
  const tables = await query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')
     union all select 'pg_catalog.pg_statistic'`,
  );
  const findings: Finding[] = [];
  let rows = 0;
  for (const { name } of tables) {
    const all = await query<{ row: string }>(`select t::text as row from ${name} t`);
    rows += all.length;
    findings.push(...canaries.find(`table ${name}`, Buffer.from(all.map(({ row }) => row).join('\n'))));
  }
  return { findings, rows };
}

describe('what is sent', () => {
  it('HL7 v2: an admission and a report with every field filled are taken', async () => {
    const { accepted, mrn } = canaryMessages(canaries);
    const client = await connectMllp({ ...gateway.mllp, timeoutMs: 20_000 });
    for (const message of accepted) expect((await client.send(Buffer.from(message))).toString()).toContain('\rMSA|AA|');
    // What the sender repeats must not differ from what stands there, and a resend is logged too.
    expect((await client.send(Buffer.from(accepted[0]))).toString()).toContain('\rMSA|AA|');
    client.close();
    const found = await fhir({ method: 'GET', path: `/fhir/Patient?identifier=${mrn}` });
    expect(JSON.parse(found.text)).toMatchObject({ total: 1 });
  });

  it('HL7 v2: a canary in every field where it may not belong', async () => {
    const client = await connectMllp({ ...gateway.mllp, timeoutMs: 20_000 });
    const outcomes = new Map<string, number>();
    for (const message of wrongMessages(canaries)) {
      const answer = (await client.send(Buffer.from(message))).toString();
      const outcome = `${/\rMSA\|(..)\|/.exec(answer)?.[1] ?? 'none'}${answer.includes('|W|') ? ' kept' : ''}`;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      // The header is the sender's own, swapped; nothing else of the message comes back.
      refusals.push(...answer.split('\r').filter((line) => !/^(MSH|MSA|FHS|BHS)/.test(line)));
    }
    client.close();
    expect(outcomes.get('AA')).toBeGreaterThan(50);
    // Some are kept as they are, in quarantine; the others the sender has to mend.
    expect(outcomes.get('AA kept')).toBeGreaterThan(4);
    expect((outcomes.get('AE') ?? 0) + (outcomes.get('AR') ?? 0)).toBeGreaterThan(3);
  });

  it('DICOM: objects with a canary in every text, private element and pixel, and hostile associations', async () => {
    const context = { sopClassUid: CT_IMAGE_STORAGE, transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN };
    const callingAe = canaries.text('calling AE title');
    const peer = { ...gateway.dicom, calledAe: 'ANAMNESIS', callingAe, timeoutMs: 20_000 };
    const association = await openAssociation(peer, [context]);
    for (const number of [1, 2]) {
      const { sopInstanceUid, dataSet } = canaryInstance(canaries, number);
      expect(await association.store({ ...context, sopInstanceUid, dataSet: [dataSet] })).toMatchObject({ status: 0 });
    }
    const wrong = canaryInstance(canaries, 3);
    for (const dataSet of [wrong.dataSet.subarray(0, 300), Buffer.from(canaries.text('no data set'))]) {
      const status = await association.store({ ...context, sopInstanceUid: wrong.sopInstanceUid, dataSet: [dataSet] });
      expect(status.status).not.toBe(0);
      refusals.push(status.comment ?? '');
    }
    const mismatch = await association.store({ ...context, sopInstanceUid: '2.25.1', dataSet: [wrong.dataSet] });
    expect(mismatch.status).not.toBe(0);
    refusals.push(mismatch.comment ?? '');
    await association.release();
    await (await openAssociation({ ...peer, calledAe: canaries.text('called AE title') }, [context])).release();
    await expect
      .poll(async () => JSON.parse((await fhir({ method: 'GET', path: '/fhir/ImagingStudy' })).text).total, {
        timeout: 30_000,
      })
      .toBe(2);
  });

  it('FHIR: resources under ids that could be record numbers, and searches', async () => {
    for (const request of goodRequests(canaries)) {
      const { status, text } = await fhir(request);
      expect(status, `${request.method} ${request.path}: ${text}`).toBeLessThan(300);
    }
  });

  it('FHIR: requests that are refused, with canaries in URL, headers and body', async () => {
    for (const request of badRequests(canaries)) {
      const { status, text } = await fhir(request);
      if (status >= 400) refusals.push(text);
      expect(status, `${request.method} ${request.path}`).toBeLessThan(500);
    }
  });
});

describe('what is kept and said', () => {
  it('no file of the data directory holds any of it', async () => {
    const paths = await files();
    const { findings, bytes } = searchFiles(paths);
    expect(findings).toEqual([]);
    console.log(`canary: ${canaries.size} canaries, ${paths.length} files, ${Math.round(bytes / 1e6)} MB`);
    expect(canaries.size).toBeGreaterThan(500);
    expect(paths.some((path) => path.includes('pg_wal'))).toBe(true);
    expect(paths.some((path) => path.includes('blobs'))).toBe(true);
  });

  it('no row of any table', async () => {
    const { findings, rows } = await searchTables();
    expect(findings).toEqual([]);
    expect(rows).toBeGreaterThan(1000);
  });

  it('no log, metric, error answer, public ledger page or report of verify', async () => {
    const metrics = await (await fetch(`${gateway.http}/metrics`)).text();
    const checkpoint = await (await fetch(`${gateway.http}/ledger/checkpoint`)).text();
    const verified = await runCommand(['verify'], { dataDir, env });
    expect(verified).toMatchObject({ code: 0 });
    const said = {
      log: gateway.output(),
      metrics,
      checkpoint,
      refusals: refusals.join('\n'),
      verify: verified.stdout + verified.stderr,
    };
    const findings = Object.entries(said).flatMap(([place, text]) => canaries.find(place, Buffer.from(text)));
    expect(findings.filter(({ place, label }) => place !== 'refusals' || !NAMES.includes(label))).toEqual([]);
    expect(said.log).toContain('"event":"hl7v2.refused"');
    expect(said.log).toContain('"route":"/fhir/:type/:id"');
    expect(refusals.length).toBeGreaterThan(100);
  });
});

describe('the search itself', () => {
  it('finds a canary in each encoding and at each alignment', () => {
    const canary = canaries.text('planted');
    const number = canaries.exact('planted number', '8430571926');
    for (const text of [canary, number]) {
      const forms = [
        Buffer.from(text),
        Buffer.from(text.toUpperCase()),
        Buffer.from(text, 'utf16le'),
        Buffer.from(text, 'utf16le').swap16(),
        Buffer.from(Buffer.from(text).toString('hex')),
        ...['', 'a', 'ab', 'abc'].flatMap((before) => [
          Buffer.from(Buffer.from(`${before}${text}xyz`).toString('base64')),
          Buffer.from(Buffer.from(`${before}${text.toLowerCase()}?>`).toString('base64url')),
        ]),
      ];
      for (const form of forms) {
        const haystack = Buffer.concat([Buffer.alloc(70_001, 0xa5), form, Buffer.alloc(70_001, 0x5a)]);
        expect(canaries.find('planted', haystack).length, form.toString('latin1')).toBeGreaterThan(0);
      }
      expect(canaries.find('planted', Buffer.from(text))[0].label).toMatch(/^planted/);
    }
  });

  it('finds one that stood on a row of the database, in heap, WAL and dump, even when it was deleted again', async () => {
    const canary = canaries.text('planted row');
    await query(`create table planted (id int primary key, plain text, bytes bytea)`);
    await query(
      `insert into planted values (1, '${canary}', null), (2, null, '\\x${Buffer.from(canary).toString('hex')}')`,
    );
    expect((await searchTables()).findings.map(({ place, encoding }) => `${place} ${encoding}`)).toEqual(
      expect.arrayContaining(['table public.planted UTF-8', 'table public.planted hexadecimal']),
    );
    await query('delete from planted');
    const { findings } = searchFiles(await files());
    expect(findings.some(({ place }) => place.includes('pg_wal'))).toBe(true);
    expect(findings.some(({ place }) => place.includes(`${join('postgres', 'base')}`))).toBe(true);
    expect(findings.every(({ label }) => label === 'planted row')).toBe(true);
  });
});
