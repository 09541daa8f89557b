/** A site is lost, a database is rolled back, an archive is carried over: what was mirrored comes back byte for byte, and no log forks. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportLog, importLog } from '../../../src/cli/archive.ts';
import { rebuild } from '../../../src/cli/rebuild.ts';
import { restore } from '../../../src/cli/restore.ts';
import { sampleCtFile, sampleCtStudy } from '../../../src/cli/samples/dicom.ts';
import { sampleOru } from '../../../src/cli/samples/hl7v2.ts';
import { sendDicom } from '../../../src/cli/send-dicom.ts';
import { verify } from '../../../src/cli/verify.ts';
import {
  createNetwork,
  eventually,
  practitionerToken,
  runInProcess,
  sendHl7,
  settled,
  type Member,
  type TestNetwork,
} from '../../support/network.ts';
import { copyTestDatabase, createTestDatabase, rowsOf, type TestDatabase } from '../../support/postgres.ts';

const reports = (from: number, count: number): Buffer[] =>
  Array.from({ length: count }, (_, i) => Buffer.from(sampleOru(from + i)));

const TRUTH = {
  document: 'select leaf, digest, body from document order by leaf',
  payload: 'select grp, lockbox, digest, size, body from payload order by grp',
  block: 'select number, first_leaf, size, root, checkpoint, prev from block order by number',
  tile: 'select level, idx, hashes from tile order by level, idx',
  record: 'select resource, version, grp, line, source, source_time from record order by resource, version',
  alias: 'select hash, resource from alias order by hash',
};

let network: TestNetwork;
let a: Member;
let b: Member;
let c: Member;
const made: TestDatabase[] = [];
const folder = mkdtempSync(join(tmpdir(), 'anamnesis-restore-'));

beforeAll(async () => {
  network = await createNetwork(3);
  [a, b, c] = network.members as [Member, Member, Member];
  for (const member of network.members) await network.start(member);
}, 120_000);
afterAll(async () => {
  await network.close();
  for (const database of made) await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

const rows = (database: TestDatabase, text: string, values?: unknown[]): Promise<Record<string, unknown>[]> =>
  rowsOf(database.config, text, values);

async function truth(database: TestDatabase): Promise<Record<string, unknown>> {
  return Object.fromEntries(
    await Promise.all(Object.entries(TRUTH).map(async ([table, text]) => [table, await rows(database, text)])),
  );
}

async function sendStudy(member: Member): Promise<void> {
  const paths = sampleCtStudy(3).map((ct, i) => {
    const path = join(folder, `ct-${i}.dcm`);
    writeFileSync(path, sampleCtFile(ct));
    return path;
  });
  const [host = '', port = ''] = member.gateway?.addresses.dicom.split(':') ?? [];
  const peer = { host, port: Number(port), calledAe: member.config.aeTitle, callingAe: 'TEST', timeoutMs: 30_000 };
  for await (const { accepted } of sendDicom(peer, paths)) expect(accepted).toBe(true);
  // Its ImagingStudy is made some time after the association has ended.
  const done = `select (select leaf from follower where name = 'studies') > max(leaf) as done
                  from message where thread is not null having count(*) >= ${paths.length}`;
  await eventually(async () => ((await rows(member.database, done))[0]?.done === true ? true : undefined));
}

async function fresh(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  made.push(database);
  return database;
}

describe('a site that is destroyed', () => {
  it('comes back from its mirrors with nothing but key file, settings and policy file', async () => {
    await sendHl7(a, reports(0, 40));
    await sendStudy(a);
    const headers = { authorization: `Bearer ${await practitionerToken(a)}`, 'content-type': 'application/fhir+json' };
    const created = await fetch(`${a.url}/fhir/Patient`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ resourceType: 'Patient', name: [{ family: 'Wieder' }] }),
    });
    const { id } = (await created.json()) as { id: string };
    const size = await settled(a);
    await network.stop(a);
    const before = await truth(a.database);
    rmSync(join(a.dataDir, 'blobs'), { recursive: true, force: true });

    const database = await fresh();
    const env = network.environment(a, database);
    // Every attempt loses its links after so many bytes; each goes on from where the last one ended.
    const targets = [b, c].map(({ link }) => link.target);
    let attempts = 0;
    let restored: unknown;
    do {
      for (const [i, { link }] of [b, c].entries()) Object.assign(link, { target: targets[i], budget: 180_000 });
      restored = await runInProcess(restore, [], env).catch((error: unknown) => error);
      attempts += 1;
    } while (restored instanceof Error && attempts < 40);
    for (const [i, { link }] of [b, c].entries()) Object.assign(link, { target: targets[i], budget: undefined });
    expect(attempts).toBeGreaterThan(1);
    expect(restored).toMatchObject({ code: 0 });
    expect(await truth(database)).toEqual(before);
    expect(await runInProcess(verify, [], env)).toMatchObject({ code: 0 });

    await network.start(a, database);
    const read = await fetch(`${a.url}/fhir/Patient/${id}`, { headers });
    expect([read.status, ((await read.json()) as { name: unknown }).name]).toEqual([200, [{ family: 'Wieder' }]]);
    const image = await fetch(`${a.url}/fhir/ImagingStudy?_count=1&patient=${encodeURIComponent('none')}`, { headers });
    expect(image.status).toBeLessThan(500);
    // The log goes on, and nobody finds a fork.
    await sendHl7(a, reports(1000, 10));
    expect(await settled(a)).toBeGreaterThan(size);
    for (const peer of [b, c]) {
      expect(await (await fetch(`${peer.url}/witness/evidence`)).json()).toEqual({ evidence: [] });
    }
    await network.stop(a);
    Object.assign(a, { database });
  });

  it('notices a database that was rolled back, before it signs or releases anything', async () => {
    await network.start(a);
    await sendHl7(a, reports(2000, 5));
    await settled(a);
    await network.stop(a);
    const backup = await copyTestDatabase(a.database);
    made.push(backup);
    await network.start(a);
    await sendHl7(a, reports(3000, 5));
    await settled(a);
    await network.stop(a);
    await expect(network.start(a, backup)).rejects.toMatchObject({ code: 'integrity' });
    await network.stop(a);
    await expect(network.start(a, await fresh())).rejects.toMatchObject({ code: 'integrity' });
    await network.stop(a);
    // And what was written to neither is still whole.
    await network.start(a);
    await network.stop(a);
  });

  it('takes work but withholds checkpoints while too few peers answer', async () => {
    await network.stop(b);
    await network.stop(c);
    await network.start(a);
    await sendHl7(a, reports(4000, 2));
    expect((await fetch(`${a.url}/ledger/checkpoint`)).status).toBe(503);
    expect(await fetch(`${a.url}/metrics`).then((answer) => answer.text())).toMatch(/anamnesis_ledger_released 0/);
    await network.start(b);
    await network.start(c);
    await settled(a);
    expect((await fetch(`${a.url}/ledger/checkpoint`)).status).toBe(200);
    await network.stop(a);
  });
});

describe('a rebuilt database', () => {
  it('still knows what its witness and mirror have accepted of others', async () => {
    const target = await fresh();
    const env = network.environment(a);
    expect(await runInProcess(rebuild, ['--into', target.url], env)).toMatchObject({ code: 0 });
    const state = 'select role, origin, size, root, note, frozen from accepted_checkpoint order by role, origin';
    expect((await rows(target, state)).length).toBeGreaterThan(0);
    expect(await rows(target, state)).toEqual(await rows(a.database, state));
    expect(await rows(target, TRUTH.record)).toEqual(await rows(a.database, TRUTH.record));
  });
});

describe('an archive', () => {
  it('holds all of it, and nothing that is cut or changed is taken', async () => {
    const file = join(folder, 'a.archive');
    expect(await runInProcess(exportLog, [file], network.environment(a))).toMatchObject({ code: 0 });
    const before = await truth(a.database);
    const { readFileSync } = await import('node:fs');
    const bytes = readFileSync(file);
    for (const damage of [bytes.length - 1, Math.floor(bytes.length / 2), 2000]) {
      const wrong = join(folder, `wrong-${damage}`);
      const changed = Buffer.from(bytes);
      changed[damage] ^= 1;
      writeFileSync(wrong, changed);
      const other = await fresh();
      await expect(runInProcess(importLog, [wrong], network.environment(a, other))).rejects.toThrow();
      expect(await rows(other, 'select 1 from document')).toEqual([]);
    }
    rmSync(join(a.dataDir, 'blobs'), { recursive: true, force: true });
    const database = await fresh();
    const env = network.environment(a, database);
    const half = join(folder, 'half');
    writeFileSync(half, bytes.subarray(0, Math.floor(bytes.length * 0.6)));
    await expect(runInProcess(importLog, [half], env)).rejects.toMatchObject({ code: 'invalid-syntax' });
    expect(await runInProcess(importLog, [file], env)).toMatchObject({ code: 0 });
    expect(await truth(database)).toEqual(before);
    expect(await runInProcess(verify, [], env)).toMatchObject({ code: 0 });

    // Brought to a database that has gone on since, it changes nothing, and says so.
    await network.stop(a);
    await network.start(a, database);
    await sendHl7(a, reports(7000, 1));
    await network.stop(a);
    const later = await truth(database);
    await expect(runInProcess(importLog, [file], env)).rejects.toMatchObject({ code: 'conflict' });
    expect(await truth(database)).toEqual(later);
    expect(await rows(database, `select 1 from mirror_log where origin = '${a.origin}'`)).toEqual([]);
  });
});
