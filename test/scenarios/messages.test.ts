/** The quarantine as an operator sees it: over MLLP in, over the admin API and the command out, and back in by reprocessing. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectMllp } from '../../src/clients/mllp.ts';
import { sampleOru } from '../../src/cli/samples/hl7v2.ts';
import { runCommand, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';

let dataDir: string;
let gateway: GatewayProcess;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'anamnesis-messages-'));
  gateway = await startGatewayProcess({ dataDir });
});
afterAll(async () => {
  await gateway.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const UNKNOWN =
  'MSH|^~\\&|LAB|STMARY|GW|STMARY|20250311||ZZZ^Z99|Q-1|P|2.5.1\rPID|1||4711^^^STMARY^MR||Geheim^Gerda\rZPX|1\rZPX|2\r';

async function command(...args: readonly string[]): Promise<{ code: number | string; stdout: string; stderr: string }> {
  return runCommand(args, { dataDir });
}

async function admin(
  method: string,
  path: string,
  scope: string | undefined,
): Promise<{ status: number; body: any; headers: Headers }> {
  const asked = scope === undefined ? [] : ['--scope', scope];
  const { stdout } = await command('token', '--role', 'system', '--sub', 'ops', ...asked);
  const response = await fetch(`${gateway.http}/admin${path}`, {
    method,
    headers: { authorization: `Bearer ${stdout.trim()}` },
  });
  return { status: response.status, body: await response.json(), headers: response.headers };
}

let leaf: number;

test('a message of no known kind is acknowledged with a warning and stands in the list', async () => {
  const client = await connectMllp({ ...gateway.mllp, timeoutMs: 20_000 });
  const answer = (await client.send(Buffer.from(UNKNOWN))).toString();
  expect(answer).toMatch(/\rMSA\|AA\|Q-1\r|\rMSA\|AA\|Q-1\|/);
  expect(answer).toMatch(/\rERR\|\|MSH\^1\^9[^\r]*\|200\^[^\r]*\|W\|/);
  expect((await client.send(Buffer.from(sampleOru(1)))).toString()).toContain('\rMSA|AA|');
  client.close();

  const listed = await command('messages', 'list', '--quarantined', '--json');
  expect(listed.stderr).toBe('');
  const message = JSON.parse(listed.stdout);
  leaf = message.leaf;
  expect(message).toMatchObject({
    message: 'ZZZ^Z99',
    controlId: 'Q-1',
    quarantine: { code: 'unsupported-message-type', expression: 'MSH-9.1' },
  });
  const all = (await command('messages', 'list')).stdout.trim().split('\n');
  expect(all).toHaveLength(3);
  expect(all[1]).toMatch(/ORU\^R01 .* converted$/);
  expect(all[2]).toMatch(/ZZZ\^Z99 +Q-1 +quarantined: unsupported-message-type at MSH-9\.1$/);
});

test('it is shown without its content; its bytes are shown to the holder of the key file, who leaves a trace', async () => {
  const shown = await command('messages', 'show', String(leaf));
  expect(shown.stdout).toMatch(/^not mapped +PID, ZPX \(2\)$/m);
  expect(shown.stdout).not.toContain('Geheim');
  const events = async (): Promise<number> => {
    const checkpoint = await (await fetch(`${gateway.http}/ledger/checkpoint`)).text();
    return Number(checkpoint.split('\n')[1]);
  };
  const before = await events();
  const raw = await command('messages', 'show', String(leaf), '--raw');
  expect(raw.stdout).toBe(UNKNOWN);
  expect(await events()).toBeGreaterThan(before);
  expect(await command('messages', 'show', '999999')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('not-found'),
  });
});

test('the admin API says the same, to whom it may', async () => {
  expect(await admin('GET', '/messages', undefined)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  const listed = await admin('GET', '/messages?quarantined=true', 'admin.read');
  expect(listed).toMatchObject({ status: 200, body: { messages: [{ leaf, controlId: 'Q-1' }] } });
  expect(listed.body.next).toBeUndefined();
  expect(await admin('GET', `/messages/${leaf}`, 'admin.read')).toMatchObject({
    status: 200,
    body: { unmapped: { PID: 1, ZPX: 2 } },
  });
  expect(await admin('POST', `/messages/${leaf}/reprocess`, 'admin.read')).toMatchObject({ status: 403 });
  expect(await admin('POST', `/messages/${leaf}/reprocess`, 'admin.write')).toMatchObject({
    status: 200,
    body: { leaf, outcome: 'kept', reason: { code: 'unsupported-message-type' } },
  });
  expect(
    await admin('POST', '/messages/reprocess?reason=unsupported-message-type&limit=1', 'admin.write'),
  ).toMatchObject({ status: 200, body: { messages: [{ leaf, outcome: 'kept' }] } });
  for (const path of [
    '/messages?limit=0',
    '/messages?since=never',
    '/messages?before=x',
    '/messages?reason=unsuported-event',
    '/messages?quarantined=maybe',
  ])
    expect(await admin('GET', path, 'admin.read'), path).toMatchObject({
      status: 400,
      body: { code: 'invalid-syntax' },
    });
  expect(await admin('GET', '/messages?colour=red', 'admin.read')).toMatchObject({ status: 400 });
  expect(await admin('GET', '/messages/0', 'admin.read')).toMatchObject({ status: 404 });
  expect((await admin('PUT', '/messages', 'admin.write')).headers.get('allow')).toBe('GET, HEAD');
  expect(await (await fetch(`${gateway.http}/metrics`)).text()).toContain(
    'anamnesis_quarantined_messages_total{reason="unsupported-message-type"} 1',
  );
});

test('reprocessing by command names what stays, and why', async () => {
  const { code, stdout, stderr } = await command('messages', 'reprocess', '--all');
  expect([code, stdout.trim()]).toEqual([1, '1 still in quarantine']);
  expect(stderr).toContain(`${leaf}: unsupported-message-type at MSH-9.1: `);
  expect(await command('messages', 'reprocess', '--reason', 'conflict')).toMatchObject({
    code: 0,
    stdout: 'nothing is in quarantine\n',
  });
  expect((await command('messages', 'reprocess')).code).toBe(64);
  expect((await command('messages', 'reprocess', 'x')).code).toBe(64);
  expect((await command('messages', 'forget')).code).toBe(64);
});

test('what waits is said at the next start, and counted', async () => {
  await gateway.stop();
  gateway = await startGatewayProcess({ dataDir });
  expect(gateway.output()).toMatch(/"event":"quarantine-open","count":1/);
  expect(await (await fetch(`${gateway.http}/metrics`)).text()).toContain(
    'anamnesis_quarantine_open{reason="unsupported-message-type"} 1',
  );
  expect((await fetch(`${gateway.http}/readyz`)).status).toBe(200);
});

test('a message of which nothing will ever come is dismissed, and says why', async () => {
  expect(await admin('POST', `/messages/${leaf}/dismiss`, 'admin.write')).toMatchObject({ status: 422 });
  const { code, stdout } = await command('messages', 'dismiss', String(leaf), '--because', 'a test of the interface');
  expect([code, stdout.trim()]).toEqual([0, `${leaf}: dismissed`]);
  expect((await command('messages', 'list', '--quarantined', '--json')).stdout).toBe('');
  const [, last] = (await command('messages', 'list')).stdout.split('\n');
  expect(last).toMatch(new RegExp(`ZZZ\\^Z99 +Q-1 +dismissed ${leaf}: a test of the interface$`));
  expect((await command('messages', 'dismiss', String(leaf))).code).toBe(64);
  const verified = await command('verify');
  expect([verified.code, verified.stderr]).toEqual([0, '']);
});
