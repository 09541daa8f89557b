/** Receipts over HTTP, checked offline by `anamnesis verify-receipt`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyReceipt } from '../../../src/cli/verify-receipt.ts';
import { groupNumber, type LeafIndex } from '../../../src/core/ids.ts';
import { resourceKey } from '../../../src/keys/index-secret.ts';
import { formatVkey, KEY_ED25519, verifierKey } from '../../../src/ledger/note.ts';
import { recordStore } from '../../../src/storage/pg/record-store.ts';
import { startFhirGateway, type FhirGateway } from '../../support/fhir-gateway.ts';
import { observationOf } from '../../support/fhir-samples.ts';
import { ORIGIN } from '../../support/writer.ts';

let gateway: FhirGateway;
let folder: string;
let patient: string;
let observation: string;
beforeAll(async () => {
  gateway = await startFhirGateway();
  folder = mkdtempSync(join(tmpdir(), 'anamnesis-receipt-'));
  const made = await gateway.practitioner('POST', '/Patient', { resourceType: 'Patient', birthDate: '1970-01-01' });
  patient = made.body.id;
  const body = observationOf(patient, '718-7', '2024-05-01', 9);
  observation = (await gateway.practitioner('POST', '/Observation', body)).body.id;
});
afterAll(async () => {
  await gateway.close();
  rmSync(folder, { recursive: true });
});

const receiptPath = (version: number): string => `/Observation/${observation}/_history/${version}/$receipt`;

async function check(text: string, ...args: string[]): Promise<{ code: number; lines: string[] }> {
  const file = join(folder, 'r.tlog-proof');
  writeFileSync(file, text);
  const lines: string[] = [];
  const context = { env: {}, cwd: folder, out: (line: string) => void lines.push(line), err: () => {} };
  return { code: await verifyReceipt([file, ...args], context), lines };
}

describe('$receipt', () => {
  it('proves a version offline down to its line', async () => {
    const reply = await gateway.practitioner('GET', receiptPath(1));
    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    const { log, sign } = gateway.writer.keys;
    const vkey = formatVkey(verifierKey(ORIGIN, KEY_ED25519, log.rawPublicKey));
    const keys = ['--vkey', vkey, '--sign-key', sign.rawPublicKey.toString('base64url')];
    const { code, lines } = await check(reply.text, ...keys);
    expect(lines.join('\n')).not.toMatch(/WRONG|open /);
    expect(code).toBe(0);

    const { keyring, pool } = gateway.writer;
    const key = resourceKey(keyring.gatewaySecret, 'Observation', observation);
    const stored = await recordStore(pool).version(key, 1);
    const leaf = stored?.lockbox ?? (0 as LeafIndex);
    const lockbox = (await keyring.byLeaf([leaf])).get(leaf);
    const keyFile = join(folder, 'lockbox.key');
    writeFileSync(keyFile, `${lockbox?.key.toString('base64url')}\n`);
    const opened = await check(reply.text, ...keys, '--lockbox-key', keyFile);
    expect(opened.code).toBe(0);
    const line = opened.lines.find((text) => text.startsWith('{')) ?? '{}';
    const read = await gateway.practitioner('GET', `/Observation/${observation}`);
    expect(JSON.parse(line)).toEqual(read.body);
    writeFileSync(keyFile, Buffer.alloc(32, 1).toString('base64url'));
    expect((await check(reply.text, ...keys, '--lockbox-key', keyFile)).code).toBe(1);
    expect((await check(reply.text)).code).toBe(1);
    expect(groupNumber(leaf, 0)).toBeGreaterThan(0);
  });

  it('is for whoever may read the version, and is in the audit trail', async () => {
    const stranger = await gateway.as({ role: 'patient', patient: 'another', purpose: 'PATRQT' });
    expect((await stranger('GET', receiptPath(1))).status).toBeGreaterThanOrEqual(403);
    expect((await gateway.practitioner('GET', receiptPath(9))).status).toBe(404);
    expect((await gateway.practitioner('GET', `${receiptPath(1)}?x=1`)).status).toBe(400);
    expect((await gateway.practitioner('POST', receiptPath(1), {})).status).toBe(405);
    const own = await gateway.as({ role: 'patient', patient, purpose: 'PATRQT' });
    const trail = await own('GET', `/AuditEvent?patient=${patient}&_count=100`);
    const codes = trail.body.entry.map((entry: any) => entry.resource.subtype?.[0]?.code);
    expect(codes).toContain('operation');
  });

  it('proves a deletion as well', async () => {
    expect((await gateway.practitioner('DELETE', `/Observation/${observation}`)).status).toBeLessThan(300);
    const reply = await gateway.practitioner('GET', receiptPath(2));
    expect(reply.status).toBe(200);
    expect(reply.text).toMatch(/^c2sp\.org\/tlog-proof@v1\nextra /);
  });
});
