/** A log that nobody can bring back is given up: another one begins, with what is left and with the last known checkpoint. */
import { chmodSync, cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway } from '../../../src/app.ts';
import { beginLog } from '../../../src/cli/begin-log.ts';
import type { Command } from '../../../src/cli/command.ts';
import { rebuild } from '../../../src/cli/rebuild.ts';
import { restore } from '../../../src/cli/restore.ts';
import { sampleOru } from '../../../src/cli/samples/hl7v2.ts';
import { verify } from '../../../src/cli/verify.ts';
import { silentLog } from '../../../src/core/log.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { parseCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { cosigners } from '../../../src/app/network.ts';
import { cosignerKey } from '../../../src/ledger/cosignature.ts';
import { KEY_ED25519, verifierKey, verifyNote } from '../../../src/ledger/note.ts';
import { parseDocument } from '../../../src/record/document.ts';
import { fileKeyProvider } from '../../../src/storage/key-file.ts';
import {
  configOf,
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

const NEXT = 'hospital-1.example/anamnesis/2';
const reports = (from: number, count: number): Buffer[] =>
  Array.from({ length: count }, (_, i) => Buffer.from(sampleOru(from + i)));

let network: TestNetwork;
let a: Member;
let b: Member;
let c: Member;
const made: TestDatabase[] = [];
const folder = mkdtempSync(join(tmpdir(), 'anamnesis-begin-'));

beforeAll(async () => {
  // b is the only mirror of a; c is a witness.
  network = await createNetwork(3, { mirrorCount: 1, witnesses: 2 });
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

const fresh = async (): Promise<TestDatabase> => {
  const database = await createTestDatabase();
  made.push(database);
  return database;
};

/** Takes a mirrored log out of a stopped mirror, as if its disk were lost; what its witness has signed stays. */
async function forget({ database }: Member, origin: string): Promise<void> {
  const { admin } = database;
  for (const table of ['bundle', 'tile', 'document', 'payload', 'missing_blob', 'block']) {
    const text = `delete from mirror_${table} m using mirror_log l where l.log = m.log and l.origin = $1`;
    await rowsOf(admin, text, [origin]);
  }
  await rowsOf(admin, 'delete from mirror_log where origin = $1', [origin]);
  await rowsOf(admin, `delete from accepted_checkpoint where role = 'mirror' and origin = $1`, [origin]);
}

const TRUTH = {
  document: 'select leaf, digest, body from document where leaf < $1 order by leaf',
  payload: 'select grp, lockbox, digest, size, body from payload where grp / 4096 < $1 order by grp',
  record: 'select resource, version, grp, line, source, source_time from record where grp / 4096 < $1 order by 1, 2',
  token: 'select token, sort_time, grp, mask from token where grp / 4096 < $1 order by 1, 2, 3, 4',
  alias: 'select hash, resource from alias where $1 > 0 order by hash',
  lockbox: 'select leaf, slot, wrap from lockbox where leaf < $1 order by leaf',
};

async function truth(database: TestDatabase, size: number): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const [table, text] of Object.entries(TRUTH)) found[table] = await rows(database, text, [size]);
  return found;
}

describe('begin-log', () => {
  let kept: TestDatabase;
  let next: TestDatabase;
  let size = 0;
  let cosigned = 0;

  const run = async (command: Command, args: readonly string[], env: Record<string, string>): Promise<string> => {
    const { code, out, err } = await runInProcess(command, args, env);
    expect(code, out + err).toBe(0);
    return out;
  };

  it('does nothing while the log can go on, or somebody can bring it back', async () => {
    await sendHl7(a, reports(0, 12));
    size = await settled(a);
    await network.stop(a);
    kept = await copyTestDatabase(a.database);
    made.push(kept);
    await network.start(a);
    await sendHl7(a, reports(100, 6));
    cosigned = await settled(a);
    expect(cosigned).toBeGreaterThan(size);
    await network.stop(a);
    next = await fresh();
    const whole = network.environment(a);
    await expect(runInProcess(beginLog, [NEXT, '--into', next.url], whole)).rejects.toMatchObject({ code: 'conflict' });
    const older = network.environment(a, kept);
    await expect(runInProcess(beginLog, [NEXT, '--into', next.url], older)).rejects.toThrow(/anamnesis restore/);
    await expect(runInProcess(beginLog, [a.origin, '--into', next.url], older)).rejects.toThrow(/origin of its own/);
    // Who does not answer may know more, or have all of it.
    const { target } = b.link;
    b.link.target = undefined;
    b.link.cut();
    await expect(runInProcess(beginLog, [NEXT, '--into', next.url], older)).rejects.toThrow(
      /no answer from hospital-2-witness, hospital-2-mirror/,
    );
    b.link.target = target;
  });

  it('keeps what is left, and says in its first own leaf what is missing', async () => {
    // The mirror has lost its copy; the witness still knows what it has cosigned.
    await network.stop(b);
    await forget(b, a.origin);
    await network.start(b);
    const env = network.environment(a, kept);
    await expect(network.start(a, kept)).rejects.toMatchObject({ code: 'integrity' });
    await network.stop(a);
    await expect(runInProcess(restore, [], network.environment(a, await fresh()))).rejects.toMatchObject({
      code: 'not-found',
    });
    const out = await run(beginLog, [NEXT, '--into', next.url], env);
    expect(out).toContain(`GATEWAY_ORIGIN=${NEXT}`);

    expect(await truth(next, size)).toEqual(await truth(kept, size));
    const [last] = (await rows(next, 'select body from document where leaf = $1', [size])) as [{ body: Buffer }];
    const document = parseDocument(last.body);
    expect(document.typ).toBe('checkpoint');
    const note = parseCheckpoint(document.notes?.[0] ?? '');
    expect([note?.checkpoint.origin, note?.checkpoint.size]).toEqual([a.origin, cosigned]);
    const keys = [
      verifierKey(a.origin, KEY_ED25519, a.keys.log.rawPublicKey),
      ...[b, c].map(({ origin, keys: set }) => cosignerKey(cosigners(origin, set).witness)),
    ];
    expect(note && verifyNote(note.note, keys)?.length).toBeGreaterThanOrEqual(2);
    // The old database is as it was, and no gateway starts on it any more.
    await expect(network.start(a, kept)).rejects.toMatchObject({ code: 'integrity' });
    await network.stop(a);
  });

  it('serves what was kept and is a member as any other under the new origin', { timeout: 120_000 }, async () => {
    await network.stop(b);
    await network.stop(c);
    const provider = fileKeyProvider({ path: join(a.dataDir, 'gateway.key'), random: systemRandom });
    const { keySet } = await provider.load({ create: false });
    expect(keySet.log.rawPublicKey.equals(a.keys.log.rawPublicKey)).toBe(false);
    Object.assign(a, { origin: NEXT, keys: keySet, database: next });
    for (const member of network.members) await network.start(member);
    const headers = { authorization: `Bearer ${await practitionerToken(a)}` };
    const found = await fetch(`${a.url}/fhir/Patient?identifier=BENCH-0000003`, { headers });
    expect(((await found.json()) as { total: number }).total).toBe(1);
    // A message from before is known, one that was lost is new.
    await sendHl7(a, [...reports(0, 12), ...reports(100, 6), ...reports(200, 6)]);
    const grown = await settled(a);
    expect(grown).toBeGreaterThan(size + 12);
    await network.stop(a);
    const env = network.environment(a);
    await run(verify, [], env);
    const before = await truth(next, grown);
    const rebuilt = await fresh();
    await run(rebuild, ['--into', rebuilt.url], env);
    expect(await truth(rebuilt, grown)).toEqual(before);
    const restored = await fresh();
    await run(restore, [], network.environment(a, restored));
    expect(await truth(restored, grown)).toEqual(before);
    await run(verify, [], network.environment(a, restored));
    for (const peer of [b, c]) {
      expect(await (await fetch(`${peer.url}/witness/evidence`)).json()).toEqual({ evidence: [] });
    }
  });
});

describe('begin-log with the embedded database', () => {
  it('replaces it in place, and keeps the one before', { timeout: 120_000 }, async () => {
    const small = await createNetwork(2);
    const [x, y] = small.members as [Member, Member];
    // The servers' account has to pass the folder.
    chmodSync(dirname(x.dataDir), 0o711);
    const env = (origin: string): Record<string, string> => {
      const { DATABASE_URL: _, ...rest } = small.environment(x);
      return { ...rest, GATEWAY_ORIGIN: origin };
    };
    const start = async (origin: string): Promise<void> => {
      x.config = configOf(env(origin), x.dataDir);
      x.gateway = await startGateway(x.config, silentLog);
      x.link.target = { host: '127.0.0.1', port: Number(new URL(x.gateway.addresses.http).port) };
    };
    try {
      await small.start(y);
      await start(x.origin);
      await sendHl7(x, reports(0, 6));
      const size = await settled(x);
      await small.stop(x);
      const [cluster, backup] = ['postgres', 'backup'].map((name) => join(x.dataDir, name)) as [string, string];
      cpSync(cluster, backup, { recursive: true });
      await start(x.origin);
      await sendHl7(x, reports(50, 4));
      const cosigned = await settled(x);
      await small.stop(x);
      rmSync(cluster, { recursive: true });
      renameSync(backup, cluster);
      await forget(y, x.origin);
      await expect(start(x.origin)).rejects.toMatchObject({ code: 'integrity' });
      const next = `${x.origin}/2`;
      const { code, out, err } = await runInProcess(beginLog, [next], env(x.origin));
      expect(code, out + err).toBe(0);
      expect(out).toMatch(/before_rebuild_\d+/);
      expect(out).toContain(`given up at ${cosigned} cosigned leaves`);
      await expect(start(x.origin)).rejects.toMatchObject({ code: 'integrity' });
      // The peer takes the new log into its policy.
      const { keySet } = await fileKeyProvider({ path: join(x.dataDir, 'gateway.key'), random: systemRandom }).load({
        create: false,
      });
      Object.assign(x, { origin: next, keys: keySet });
      await small.stop(y);
      await small.start(y);
      await start(next);
      await sendHl7(x, reports(50, 4));
      expect(await settled(x)).toBeGreaterThan(size);
      await small.stop(x);
      const checked = await runInProcess(verify, [], env(next));
      expect(checked.code, checked.out).toBe(0);
    } finally {
      await small.close();
    }
  });
});

describe('restore --furthest', () => {
  it('takes what there is, from which another log begins', { timeout: 120_000 }, async () => {
    const small = await createNetwork(3);
    const [x, y, z] = small.members as [Member, Member, Member];
    try {
      for (const member of small.members) await small.start(member);
      await sendHl7(x, reports(0, 8));
      await settled(x);
      // The second mirror of two is not needed for the quorum: it has to be there before it is stopped.
      const size = await eventually(async () => {
        const [{ size: at } = { size: 0 }] = (await rows(z.database, 'select size from mirror_log where origin = $1', [
          x.origin,
        ])) as { size: number }[];
        return Number(at) > 8 ? Number(at) : undefined;
      });
      await small.stop(z);
      await sendHl7(x, reports(50, 4));
      const cosigned = await settled(x);
      await small.stop(x);
      await forget(y, x.origin);
      await small.start(z);
      const database = await fresh();
      const env = small.environment(x, database);
      await expect(runInProcess(restore, [], env)).rejects.toThrow(/--furthest/);
      const taken = await runInProcess(restore, ['--furthest'], env);
      expect([taken.code, taken.err]).toEqual([0, expect.stringContaining(`peers have cosigned ${cosigned} leaves`)]);
      const [{ size: restored }] = (await rows(database, 'select size from log_head')) as [{ size: string }];
      expect(Number(restored)).toBe(size);
      expect(Number(restored)).toBeLessThan(cosigned);
      // It cannot go on with that log, and another one begins.
      await expect(small.start(x, database)).rejects.toMatchObject({ code: 'integrity' });
      await small.stop(x);
      const next = await fresh();
      const begun = await runInProcess(beginLog, [`${x.origin}/2`, '--into', next.url], env);
      expect(begun.code, begun.out + begun.err).toBe(0);
      // Aliases have no place in the log: the lost site had those of lost messages too.
      expect({ ...(await truth(next, size)), alias: 0 }).toEqual({ ...(await truth(x.database, size)), alias: 0 });
    } finally {
      await small.close();
    }
  });
});
