/**
 * Sources of a running gateway under mutual TLS: kept by command and over the admin API, in use without a restart, bound to client
 * certificates, and derived again by `rebuild`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectMllp } from '../../src/clients/mllp.ts';
import { parseAck } from '../../src/formats/hl7v2/ack.ts';
import { runCommand, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';
import { oru } from '../support/hl7v2.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
if (!hasOpenssl) console.log('openssl is not installed: client certificates are not tested');

describe.skipIf(!hasOpenssl)('sources of a gateway under mutual TLS', () => {
  const root = mkdtempSync(join(tmpdir(), 'anamnesis-sources-'));
  const file = (name: string): string => join(root, name);
  const env: Record<string, string> = {
    TLS_MLLP_CERT_FILE: file('server.pem'),
    TLS_MLLP_KEY_FILE: file('server.key'),
    TLS_MLLP_CA_FILE: file('authority.pem'),
  };
  const options = { dataDir: root, env };
  let gateway: GatewayProcess;

  function openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: 'ignore' });
  }

  function issue(name: string): void {
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    openssl(
      'req',
      ...curve,
      '-keyout',
      file(`${name}.key`),
      '-out',
      file(`${name}.csr`),
      '-subj',
      `/O=St Mary/CN=${name}`,
    );
    writeFileSync(file('san.cnf'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
    const authority = ['-CA', file('authority.pem'), '-CAkey', file('authority.key'), '-CAcreateserial', '-days', '2'];
    openssl(
      'x509',
      '-req',
      '-in',
      file(`${name}.csr`),
      ...authority,
      '-extfile',
      file('san.cnf'),
      '-out',
      file(`${name}.pem`),
    );
  }

  beforeAll(async () => {
    const authority = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    const files = ['-keyout', file('authority.key'), '-out', file('authority.pem')];
    openssl('req', ...authority, ...files, '-subj', '/CN=authority', '-addext', 'basicConstraints=critical,CA:TRUE');
    for (const name of ['server', 'lab', 'ward', 'stranger']) issue(name);
    gateway = await startGatewayProcess(options);
  });
  afterAll(async () => {
    await gateway.stop();
    rmSync(root, { recursive: true, force: true });
  });

  let count = 0;
  /** The answer to a fresh message of an application, over a connection with a certificate. */
  async function send(certificate: string, application: string): Promise<{ code?: string; text?: string | undefined }> {
    count += 1;
    const message = oru({ controlId: `M${count}`, obx: [] }).replace(/^MSH\|\^~\\&\|[^|]*/, `MSH|^~\\&|${application}`);
    const ca = readFileSync(file('authority.pem'));
    const tls = { ca, cert: readFileSync(file(`${certificate}.pem`)), key: readFileSync(file(`${certificate}.key`)) };
    const client = await connectMllp({ host: '127.0.0.1', port: gateway.mllp.port, timeoutMs: 10_000, tls });
    try {
      return parseAck(await client.send(Buffer.from(message))) ?? {};
    } finally {
      client.close();
    }
  }

  /** Until the running process has taken what was kept: it looks every second. */
  async function sendUntil(certificate: string, application: string, code: string): Promise<void> {
    for (let tries = 0; tries < 100; tries += 1) {
      if ((await send(certificate, application)).code === code) return;
      await sleep(100);
    }
    throw new Error(`never answered ${code}`);
  }

  async function set(name: string, profile: object, ...more: string[]): Promise<string> {
    writeFileSync(file(`${name}.json`), JSON.stringify(profile));
    const { code, stdout, stderr } = await runCommand(['sources', 'set', name, file(`${name}.json`), ...more], options);
    return code === 0 ? stdout : `${code} ${stderr}`;
  }

  test('a certificate that no source names sends nothing', async () => {
    expect(await send('lab', 'LAB')).toMatchObject({
      code: 'AR',
      text: expect.stringContaining('certificate of this connection'),
    });
    const { fingerprint256 } = new X509Certificate(readFileSync(file('lab.pem')));
    expect(gateway.output()).toContain(fingerprint256.replaceAll(':', '').toLowerCase());
  });

  test('a kept source is in use without a restart, over its own certificate alone', async () => {
    const { fingerprint256 } = new X509Certificate(readFileSync(file('lab.pem')));
    const lab = { match: [{ application: 'LAB' }], clients: [{ fingerprint: fingerprint256 }], assigner: 'urn:x:lab' };
    expect(await set('lab', lab)).toMatch(/^lab version 1, /);
    const ward = { match: [{ application: 'WARD' }], clients: [{ subject: 'O=St Mary,CN=ward' }], assigner: 'urn:x:w' };
    expect(await set('ward', ward)).toMatch(/^ward version 1, /);
    await sendUntil('lab', 'LAB', 'AA');
    await sendUntil('ward', 'WARD', 'AA');
    expect(await send('lab', 'WARD')).toMatchObject({ code: 'AR' });
    expect(await send('ward', 'LAB')).toMatchObject({ code: 'AR' });
    expect(await send('ward', 'SOMEBODY')).toMatchObject({ code: 'AR' });
    expect(await send('stranger', 'LAB')).toMatchObject({ code: 'AR' });
  });

  test('anamnesis send shows the certificate that it is given', async () => {
    writeFileSync(file('sent.hl7'), oru({ controlId: 'SENT', obx: [] }));
    const target = ['--mllp', `127.0.0.1:${gateway.mllp.port}`];
    const trusting = { ...options, env: { ...env, NODE_EXTRA_CA_CERTS: file('authority.pem') } };
    const send = (...more: string[]): ReturnType<typeof runCommand> =>
      runCommand(['send', ...target, ...more, file('sent.hl7')], trusting);
    expect(await send('--cert', file('lab.pem'), '--key', file('lab.key'))).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('1 × AA'),
    });
    expect((await send('--cert', file('ward.pem'), '--key', file('ward.key'))).code).toBe(1);
    expect((await send('--cert', file('lab.pem'))).code).toBe(64);
  });

  test('the admin API reads and changes it, with the version as entity tag', async () => {
    const token = async (scope: string): Promise<string> =>
      (await runCommand(['token', '--role', 'system', '--sub', 'ops', '--scope', scope], options)).stdout.trim();
    const ask = async (scope: string, method: string, path: string, headers = {}, body?: object): Promise<Response> =>
      fetch(`${gateway.http}/admin/sources${path}`, {
        method,
        headers: { authorization: `Bearer ${await token(scope)}`, ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    expect((await ask('system/*.cruds', 'GET', '')).status).toBe(403);
    expect((await ask('admin.read', 'DELETE', '/lab', { 'if-match': '"1"' })).status).toBe(403);
    const shown = await ask('admin.read', 'GET', '/lab');
    expect([shown.status, shown.headers.get('etag')]).toEqual([200, '"1"']);
    const { profile } = (await shown.json()) as { profile: object };

    const change = { ...profile, acknowledgement: 'enhanced' };
    expect((await ask('admin.write', 'PUT', '/lab', {}, change)).status).toBe(428);
    expect((await ask('admin.write', 'PUT', '/lab', { 'if-match': '"7"' }, change)).status).toBe(412);
    expect((await ask('admin.write', 'PUT', '/lab', { 'if-none-match': '*' }, change)).status).toBe(412);
    const faulty = await ask('admin.write', 'PUT', '/lab', { 'if-match': '"1"' }, { ...change, charset: 'x', zone: 1 });
    expect(faulty.status).toBe(422);
    expect(((await faulty.json()) as { issues: unknown[] }).issues).toHaveLength(2);
    const kept = await ask('admin.write', 'PUT', '/lab', { 'if-match': '"1"' }, change);
    expect([kept.status, kept.headers.get('etag')]).toEqual([200, '"2"']);
    await sendUntil('lab', 'LAB', 'CA');

    const fresh = { match: [{ application: 'NEW' }], assigner: 'urn:x:new' };
    expect((await ask('admin.write', 'PUT', '/new', { 'if-none-match': '*' }, fresh)).status).toBe(201);
    expect((await ask('admin.write', 'DELETE', '/new', { 'if-match': '"1"' })).status).toBe(204);
    expect((await ask('admin.read', 'GET', '/new')).status).toBe(410);
    expect((await ask('admin.read', 'GET', '/new?version=1')).status).toBe(200);
    const { versions } = (await (await ask('admin.read', 'GET', '/new/history')).json()) as { versions: object[] };
    expect(versions).toMatchObject([
      { version: 2, removed: true },
      { version: 1, profile: fresh },
    ]);
    expect((await ask('admin.read', 'GET', '/none')).status).toBe(404);
  });

  test('a faulty profile is told whole, and nothing is kept', async () => {
    expect(await set('bad', { match: [{}], colour: 1 })).toMatch(/^1 [\s\S]*colour:[\s\S]*assigner:[\s\S]*match\[0\]:/);
    expect(await set('lab', { assigner: 'urn:x:y', match: [{ application: 'L' }] }, '--version', '1')).toMatch(
      /^1 .*version 2/,
    );
  });

  test('rebuild derives them again, and converting uses them without a gateway', async () => {
    const before = await runCommand(['sources', 'list'], options);
    expect(before.stdout.trim().split('\n')).toHaveLength(2);
    const history = await runCommand(['sources', 'history', 'lab'], options);
    await gateway.stop();
    expect((await runCommand(['rebuild'], options)).code).toBe(0);
    expect((await runCommand(['verify'], options)).code).toBe(0);
    expect((await runCommand(['sources', 'list'], options)).stdout).toBe(before.stdout);
    expect((await runCommand(['sources', 'history', 'lab'], options)).stdout).toBe(history.stdout);

    const named = file('mapped.json');
    const codes = { L: { A: { system: 'http://loinc.org', code: '1-8' } } };
    writeFileSync(named, JSON.stringify({ assigner: 'urn:x:map', codes, match: [{ application: 'MAP' }] }));
    writeFileSync(file('a.hl7'), oru({ obx: ['OBX|1|NM|A^A^L||1||||||F'] }));
    const byFile = await runCommand(['convert', '--profile', named, file('a.hl7')], options);
    expect(byFile.stdout).toContain('http://loinc.org');
    expect((await runCommand(['sources', 'set', 'map', named], options)).code).toBe(0);
    const byName = await runCommand(['convert', '--source', 'map', file('a.hl7')], options);
    expect([byName.stderr, byName.stdout.includes('http://loinc.org')]).toEqual(['', true]);
    const unknown = await runCommand(['convert', '--source', 'nobody', file('a.hl7')], options);
    expect(unknown.stderr).toContain('no source nobody is kept');
  });
});
