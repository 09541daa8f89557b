/** A site is lost with everything: in the middle of its work, after rotations of keys, and with its key file. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { exportLog, importLog } from '../../../src/cli/archive.ts';
import type { Command } from '../../../src/cli/command.ts';
import { keys } from '../../../src/cli/key-care.ts';
import { restore } from '../../../src/cli/restore.ts';
import { sampleOru } from '../../../src/cli/samples/hl7v2.ts';
import { verify } from '../../../src/cli/verify.ts';
import { connectMllp } from '../../../src/clients/mllp.ts';
import { gatewayEnvironment, startGatewayProcess, type GatewayProcess } from '../../support/gateway-process.ts';
import {
  answersTo,
  createNetwork,
  eventually,
  practitionerToken,
  runInProcess,
  sendHl7,
  settled,
  sizesAt,
  type Member,
  type TestNetwork,
} from '../../support/network.ts';
import { connectionUrl, createTestDatabase, rowsOf, type TestDatabase } from '../../support/postgres.ts';

const CONNECTIONS = 16;
const BIN = join(import.meta.dirname, '..', '..', '..', 'bin', 'anamnesis.js');
const reports = (from: number, count: number): Buffer[] =>
  Array.from({ length: count }, (_, i) => Buffer.from(sampleOru(from + i)));

const folder = mkdtempSync(join(tmpdir(), 'anamnesis-lost-'));
let network: TestNetwork | undefined;
const made: TestDatabase[] = [];
afterEach(async () => {
  await network?.close();
  for (const database of made.splice(0)) await database.drop();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const rows = (database: TestDatabase, text: string, values?: unknown[]): Promise<Record<string, unknown>[]> =>
  rowsOf(database.config, text, values);

async function fresh(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  made.push(database);
  return database;
}

/** What a log of so many leaves holds. */
async function truth(database: TestDatabase, size: number): Promise<Record<string, unknown>> {
  const group = size * 4096;
  return {
    documents: await rows(database, 'select leaf, digest, body from document where leaf < $1 order by leaf', [size]),
    payloads: await rows(database, 'select grp, lockbox, digest, size, body from payload where grp < $1 order by grp', [
      group,
    ]),
    records: await rows(
      database,
      'select resource, version, grp, line, source, source_time from record where grp < $1 order by resource, version',
      [group],
    ),
    messages: await rows(database, 'select control, digest, leaf from message where leaf < $1 order by leaf', [size]),
    tokens: await rows(
      database,
      'select token, sort_time, grp, mask from token where grp < $1 order by token, sort_time, grp, mask',
      [group],
    ),
  };
}

async function noFork(peers: readonly Member[]): Promise<void> {
  for (const peer of peers) {
    expect(await (await fetch(`${peer.url}/witness/evidence`)).json()).toEqual({ evidence: [] });
  }
}

describe('a site that is destroyed under the load of 16 connections', () => {
  it('brings back everything that was mirrored, and its log goes on without a fork', { timeout: 120_000 }, async () => {
    network = await createNetwork(3);
    const [a, b, c] = network.members as [Member, Member, Member];
    await network.start(b);
    await network.start(c);
    const process = await startGatewayProcess({ dataDir: a.dataDir, env: network.environment(a) });
    a.link.target = { host: '127.0.0.1', port: Number(new URL(process.http).port) };
    const acknowledged: number[] = [];
    let next = 0;
    const load = Promise.all(
      Array.from({ length: CONNECTIONS }, async () => {
        const client = await connectMllp({ ...process.mllp, timeoutMs: 30_000 });
        try {
          for (;;) {
            const n = next++;
            if (/MSA\|AA/.test((await client.send(Buffer.from(sampleOru(n)))).toString())) acknowledged.push(n);
          }
        } catch {
          // The site is gone.
        } finally {
          client.close();
        }
      }),
    );
    const known = await eventually(async () => {
      const now = await sizesAt(a.url);
      return now.mirrored >= 200 ? now : undefined;
    });
    await process.stop('SIGKILL');
    await load;
    a.link.target = undefined;
    a.link.cut();
    expect(acknowledged.length).toBeGreaterThan(CONNECTIONS);
    const env = network.environment(a, await fresh());
    const [{ size: lost }] = (await rows(a.database, 'select size from log_head')) as [{ size: string }];

    expect(await runInProcess(restore, [], env)).toMatchObject({ code: 0 });
    const [{ size: text }] = (await rows(made[0] as TestDatabase, 'select size from log_head')) as [{ size: string }];
    const size = Number(text);
    expect(size).toBeGreaterThanOrEqual(known.mirrored);
    expect(size).toBeLessThanOrEqual(Number(lost));
    const restored = await truth(made[0] as TestDatabase, size);
    expect(restored).toEqual(await truth(a.database, size));
    expect(restored.documents).toHaveLength(size);
    expect(await runInProcess(verify, [], env)).toMatchObject({ code: 0 });

    await network.start(a, made[0]);
    const headers = { authorization: `Bearer ${await practitionerToken(a)}` };
    const found = await fetch(`${a.url}/fhir/Patient?identifier=BENCH-0000000`, { headers });
    expect([found.status, ((await found.json()) as { total?: number }).total]).toEqual([200, 1]);
    // Senders bring again what was not acknowledged, and what was: neither twice.
    await sendHl7(a, reports(0, 30));
    await sendHl7(a, reports(100_000, 10));
    expect(await settled(a)).toBeGreaterThan(size);
    await noFork([b, c]);
  });
});

describe('a restore that is killed', () => {
  it(
    'goes on where it was, in the transfer and in the derivation, and reports the same',
    { timeout: 120_000 },
    async () => {
      network = await createNetwork(2);
      const [a, b] = network.members as [Member, Member];
      await network.start(b);
      await network.start(a);
      await sendHl7(a, reports(0, 150));
      const size = await settled(a);
      await network.stop(a);
      const before = await truth(a.database, size);
      const whole = await fresh();
      const report = (await runInProcess(restore, [], network.environment(a, whole))).out;

      const database = await fresh();
      const env = gatewayEnvironment({ dataDir: a.dataDir, env: network.environment(a, database) });
      const number = async (text: string): Promise<number> =>
        Number(Object.values((await rows(database, text))[0] ?? {})[0] ?? 0);
      const held = (): Promise<number> => number('select coalesce(max(held), 0) from mirror_log');
      const derived = (): Promise<number> => number('select coalesce(max(size), 0) from log_head');
      /**
       * Starts the command and kills it as soon as `reached` holds; false when it ended before. It writes to the table only
       * between two looks, and so cannot run on behind our back.
       */
      const killedWhen = async (table: string, reached: string): Promise<boolean> => {
        const child = spawn(process.execPath, [BIN, 'restore'], { env, stdio: 'ignore' });
        let ended = false;
        const end = once(child, 'close').then(() => (ended = true));
        const gate = new pg.Client(database.admin);
        await gate.connect();
        const look = async (): Promise<boolean> => {
          await gate.query(`begin; lock table ${table} in share mode`);
          return (await gate.query<{ reached: boolean }>(`select ${reached} as reached from ${table}`)).rows[0].reached;
        };
        while (!(await look()) && !ended) {
          await gate.query('commit');
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        child.kill('SIGKILL');
        await end;
        await gate.end();
        return child.signalCode === 'SIGKILL';
      };
      // It is killed in the transfer, and twice in the derivation.
      expect(await killedWhen('mirror_bundle', 'count(*) > 0')).toBe(true);
      for (const share of [0.2, 0.6]) {
        expect(await killedWhen('log_head', `coalesce(max(size), 0) > ${size * share}`)).toBe(true);
        expect([await held(), await number('select count(*) from derivation')]).toEqual([size, 1]);
        expect(await derived()).toBeLessThan(size);
      }
      expect((await runInProcess(restore, [], network.environment(a, database))).out.split('\n').slice(-2)).toEqual(
        report.split('\n').slice(-2),
      );
      expect(await truth(database, size)).toEqual(before);
      expect(await truth(whole, size)).toEqual(before);
      expect([
        await number('select count(*) from derivation'),
        await number('select count(*) from mirror_log'),
      ]).toEqual([0, 0]);
    },
  );
});

describe('a site with other keys than it began with', () => {
  it(
    'comes back from mirrors and from an archive, with the key file out of a recovery kit',
    { timeout: 120_000 },
    async () => {
      network = await createNetwork(2);
      const [a, b] = network.members as [Member, Member];
      const env: Record<string, string> = {
        ...network.environment(a),
        DATABASE_ADMIN_URL: connectionUrl(a.database.admin),
      };
      const run = async (command: Command, args: readonly string[], on = env): Promise<void> => {
        const { code, out, err } = await runInProcess(command, args, on);
        expect(code, out + err).toBe(0);
      };
      await network.start(b);
      let n = 0;
      for (const role of ['sign', 'master', 'issuer', 'encrypt']) {
        const gateway = await network.start(a);
        await sendHl7(a, reports((n += 10), 5));
        await run(keys, ['rotate', role]);
        // The running gateway finds at its next commit that its keys are old ones.
        await expect(sendHl7(a, reports((n += 10), 1))).rejects.toThrow(/not accepted/);
        await gateway.fenced;
        await network.stop(a);
      }
      await network.start(a);
      await sendHl7(a, reports((n += 10), 5));
      const size = await settled(a);
      const kit = join(folder, 'kit');
      const archive = join(folder, 'a.archive');
      await run(keys, ['recovery-kit', kit]);
      await network.stop(a);
      await run(exportLog, [archive]);
      const before = await truth(a.database, size);
      // All is gone: key file, blobs, database.
      for (const name of ['gateway.key', 'blobs']) rmSync(join(a.dataDir, name), { recursive: true, force: true });
      const empty = network.environment(a, await fresh());
      await expect(runInProcess(restore, [], empty)).rejects.toMatchObject({ code: 'not-found' });
      const shares = readdirSync(kit).map((name) => join(kit, name));
      await run(keys, ['recover', ...shares.slice(1, 4)], empty);
      await run(restore, [], empty);
      expect(await truth(made[0] as TestDatabase, size)).toEqual(before);
      await run(verify, [], empty);
      const other = network.environment(a, await fresh());
      await run(importLog, [archive], other);
      expect(await truth(made[1] as TestDatabase, size)).toEqual(before);
      await run(verify, [], other);

      await network.start(a, made[0]);
      await sendHl7(a, reports((n += 10), 5));
      expect(await settled(a)).toBeGreaterThan(size);
      await noFork([b]);
    },
  );

  it('ends with 69 when its keys are rotated while it runs, and a new start takes the new ones', async () => {
    network = await createNetwork(1, { mirrors: 0 });
    const [a] = network.members as [Member];
    const database = await fresh();
    const env = {
      DATABASE_URL: database.url,
      DATABASE_ADMIN_URL: connectionUrl(database.admin),
      GATEWAY_ORIGIN: a.origin,
      DATA_DIR: a.dataDir,
    };
    const send = async ({ mllp }: GatewayProcess, message: Buffer): Promise<string> =>
      (await answersTo(mllp, [message]))[0] ?? '';
    const first = await startGatewayProcess({ dataDir: a.dataDir, env });
    expect(await send(first, reports(0, 1)[0] as Buffer)).toMatch(/MSA\|AA/);
    expect((await runInProcess(keys, ['rotate', 'sign'], env)).code).toBe(0);
    // It finds that out by this message, or has done so by itself and is gone.
    expect(await send(first, reports(1, 1)[0] as Buffer).catch(() => 'gone')).toMatch(/MSA\|AE|gone/);
    expect(await first.ended).toBe(69);
    expect(first.output()).toMatch(/keys of this gateway were rotated/);
    const second = await startGatewayProcess({ dataDir: a.dataDir, env });
    expect(await send(second, reports(1, 1)[0] as Buffer)).toMatch(/MSA\|AA/);
    expect(await second.stop()).toBe(0);
  });
});
