/** `anamnesis keys ...` on a real database: what each rotation leaves must open, verify and be rebuilt. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CliContext } from '../../../src/cli/command.ts';
import { keys } from '../../../src/cli/key-care.ts';
import { prove } from '../../../src/cli/prove.ts';
import { rebuild } from '../../../src/cli/rebuild.ts';
import { verify } from '../../../src/cli/verify.ts';
import { verifyReceipt } from '../../../src/cli/verify-receipt.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { ownIssuer, ownJwks } from '../../../src/identity/own-issuer.ts';
import { issueToken, TOKEN_LIFE_MS } from '../../../src/identity/sign-token.ts';
import { createTokenVerifier } from '../../../src/identity/verify-token.ts';
import type { KeySet } from '../../../src/keys/key-set.ts';
import { beginRotation, finishRotation, keySetFor } from '../../../src/keys/rotate.ts';
import { formatVkey, KEY_ED25519, verifierKey } from '../../../src/ledger/note.ts';
import { anchorRotation } from '../../../src/services/rotate-key.ts';
import { commitStore } from '../../../src/storage/pg/commit-store.ts';
import { logFingerprint } from '../../../src/storage/pg/open-log.ts';
import { openPool, type Pool } from '../../../src/storage/pg/pool.ts';
import { fileKeyProvider } from '../../../src/storage/key-file.ts';
import { connectionUrl, createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { openTestWriter, ORIGIN, type TestWriter } from '../../support/writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'anamnesis-keys-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Place {
  readonly keyFile: string;
  readonly database: TestDatabase;
  readonly env: Record<string, string>;
  load(): Promise<KeySet>;
  save(keySet: KeySet): Promise<void>;
  submit(from: number, to: number): Promise<void>;
}

let count = 0;
async function newPlace(): Promise<Place> {
  count += 1;
  const keyFile = join(folder, `gateway-${count}.key`);
  const database = await createTestDatabase();
  const provider = fileKeyProvider({ path: keyFile, random: systemRandom });
  await provider.load({ create: true });
  const load = async (): Promise<KeySet> => (await provider.load({ create: false })).keySet;
  return {
    keyFile,
    database,
    env: {
      DATABASE_URL: database.url,
      DATABASE_ADMIN_URL: connectionUrl(database.admin),
      KEY_FILE: keyFile,
      DATA_DIR: folder,
      GATEWAY_ORIGIN: ORIGIN,
    },
    load,
    save: (keySet) => provider.save(keySet, 'replace'),
    async submit(from, to) {
      const writer = await openTestWriter({ database, keys: await load() });
      await submitAll(writer, from, to);
      await writer.close();
    },
  };
}

async function submitAll(writer: TestWriter, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n += 1) {
    await writer.writer.submit({
      kind: 'hl7v2',
      source: 'lab',
      control: `M${n}`,
      raw: { bytes: Buffer.from(`MSH|${n}`), contentType: 'x-application/hl7-v2+er7' },
      receivedAt: n,
      sourceTime: n,
      details: {},
      changes: [
        {
          mode: 'merge',
          type: 'Patient',
          keys: [['identifier', 'urn:mrn', `${n % 6}`]],
          sourceTime: n,
          set: { resourceType: 'Patient', name: [{ family: `F${n}` }] },
        },
      ],
    });
  }
}

function context(env: Record<string, string>): CliContext & { lines: string[] } {
  const lines: string[] = [];
  return { env, cwd: folder, lines, out: (line) => void lines.push(line), err: (line) => void lines.push(line) };
}

async function ran(place: Place, ...args: string[]): Promise<string> {
  const cli = context(place.env);
  expect(await keys(args, cli), cli.lines.join('\n')).toBe(0);
  return cli.lines.join('\n');
}

async function verified(place: Place): Promise<void> {
  const cli = context(place.env);
  expect(await verify([], cli), cli.lines.join('\n')).toBe(0);
}

const TABLES = ['document', 'payload', 'block', 'record', 'message', 'alias'].map(
  (table) => `select * from ${table} order by 1, 2`,
);
TABLES.push('select leaf, slot, wrap from lockbox order by leaf', 'select * from patient order by patient');

/** A database rebuilt from this one has the same rows, and a gateway works on it. */
async function rebuilds(place: Place, next: number): Promise<void> {
  const target = await createTestDatabase();
  const cli = context({ ...place.env, DATABASE_URL: place.database.url });
  expect(await rebuild(['--into', connectionUrl(target.admin)], cli), cli.lines.join('\n')).toBe(0);
  const [before, after] = [new pg.Client(place.database.admin), new pg.Client(target.admin)];
  await Promise.all([before.connect(), after.connect()]);
  for (const sql of TABLES) expect((await after.query(sql)).rows, sql).toEqual((await before.query(sql)).rows);
  await Promise.all([before.end(), after.end()]);
  const writer = await openTestWriter({ database: target, keys: await place.load() });
  await submitAll(writer, next, next + 8);
  await writer.close();
  await target.drop();
}

describe('rotate', () => {
  let place: Place;
  let admin: Pool;
  beforeEach(async () => {
    place = await newPlace();
    await place.submit(0, 12);
    admin = openPool({ ...place.database.admin }, { max: 2, statementTimeoutMs: 0 }, () => {});
    return async () => {
      await admin.end();
      await place.database.drop();
    };
  });

  it.each(['sign', 'witness', 'mirror', 'encrypt', 'issuer'] as const)('%s', async (role) => {
    const before = await place.load();
    const old = await openTestWriter({ database: place.database, keys: before });
    const said = await ran(place, 'rotate', role);
    expect(said).toContain(`The key of ${role} is another one`);
    const after = await place.load();
    expect(after[role].rawPublicKey).not.toEqual(before[role].rawPublicKey);
    expect(after.pending).toBeUndefined();
    expect(await logFingerprint(admin)).toBe(after.fingerprint);
    // A process that has the old keys cannot open the log any more.
    await expect(openTestWriter({ database: place.database, keys: before })).rejects.toMatchObject({
      code: 'integrity',
    });
    await old.close();
    await place.submit(12, 20);
    await verified(place);
    await rebuilds(place, 20);
  });

  it('stops a process with the old keys at once, and leaves nothing of what it was doing', async () => {
    const before = await place.load();
    const pool = openPool({ ...place.database.config }, { max: 2, statementTimeoutMs: 0 }, () => {});
    let fenced = false;
    const store = commitStore(pool, { fingerprint: before.fingerprint, onFenced: () => (fenced = true) });
    await ran(place, 'rotate', 'sign');
    await expect(store.commit([], () => Promise.reject(new Error('not reached')))).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect(fenced).toBe(true);
    await pool.end();
  });

  it('receipts from before and after a rotation of sign are right under the key of their time', async () => {
    const before = await place.load();
    await ran(place, 'rotate', 'sign');
    const after = await place.load();
    await place.submit(12, 14);
    const vkey = formatVkey(verifierKey(ORIGIN, KEY_ED25519, before.log.rawPublicKey));
    const check = async (leaf: number, key: Buffer): Promise<number> => {
      const cli = context(place.env);
      const file = join(folder, 'r.tlog-proof');
      expect(await prove(['--leaf', String(leaf), '--out', file], cli)).toBe(0);
      return verifyReceipt([file, '--vkey', vkey, '--sign-key', key.toString('base64url')], cli);
    };
    const { rows } = await admin.query<{ last: number }>('select max(leaf) as last from document');
    expect(await check(1, before.sign.rawPublicKey)).toBe(0);
    expect(await check(1, after.sign.rawPublicKey)).toBe(1);
    expect(await check(rows[0].last, after.sign.rawPublicKey)).toBe(0);
    expect(await check(rows[0].last, before.sign.rawPublicKey)).toBe(1);
  });

  it('verify refuses documents that the replaced key signed after it was replaced', async () => {
    const before = await place.load();
    await ran(place, 'rotate', 'sign');
    const after = await place.load();
    // A thief of the old key, with the database and the log key: the ledger itself says that the key was over.
    const thief = await openTestWriter({
      database: place.database,
      keys: { ...after, sign: before.sign },
    });
    await submitAll(thief, 12, 14);
    await thief.close();
    const cli = context(place.env);
    expect(await verify([], cli)).toBe(1);
    expect(cli.lines.join('\n')).toContain('document-signature');
  });

  it('issuer: tokens of the old key are good until they expire, and both keys are published', async () => {
    const before = await place.load();
    const audience = 'https://test.example';
    const token = await issueToken(
      { origin: ORIGIN, audience, key: before.issuer },
      { role: 'system', subject: 'x' },
      systemClock,
      systemRandom,
    );
    await ran(place, 'rotate', 'issuer');
    const after = await place.load();
    const [earlier] = after.history.issuer;
    expect(earlier.until).toBeGreaterThan(systemClock.now() + TOKEN_LIFE_MS - 60_000);
    expect(ownJwks(after.issuer, after.history.issuer).keys).toHaveLength(2);
    const at = (now: number) =>
      createTokenVerifier(
        { issuers: [ownIssuer(ORIGIN, after.issuer, after.history.issuer, { now: () => now })], audience },
        systemClock,
      );
    expect(await at(systemClock.now()).verify(token)).toHaveProperty('principal');
    expect(await at(earlier.until).verify(token)).toMatchObject({ fault: 'invalid-signature' });
    const fresh = await issueToken(
      { origin: ORIGIN, audience, key: after.issuer },
      { role: 'system', subject: 'x' },
      systemClock,
      systemRandom,
    );
    expect(await at(systemClock.now()).verify(fresh)).toHaveProperty('principal');
  });

  it(
    'master: every wrap is renewed, the old master opens nothing more, and twice over',
    { timeout: 120_000 },
    async () => {
      for (const round of [1, 2]) {
        const before = await place.load();
        const said = await ran(place, 'rotate', 'master');
        expect(said).toMatch(/\d+ keys are sealed under the new master/);
        const after = await place.load();
        expect(after.master.equals(before.master)).toBe(false);
        expect(after.history.master).toEqual([]);
        expect(after.renewed).toBe(true);
        // Nothing of the key file's old master is left in it.
        const old = before.master.export().toString('base64url');
        expect(readFileSync(place.keyFile, 'utf8')).not.toContain(old);
        await place.submit(20 * round, 20 * round + 10);
        await verified(place);
        await rebuilds(place, 20 * round + 10);
      }
    },
  );

  it('master: goes on where it was stopped', async () => {
    const before = await place.load();
    const begun = beginRotation(before, 'master', 1, systemRandom);
    await place.save(begun);
    const half = finishRotation(begun, TOKEN_LIFE_MS);
    await anchorRotation(commitStore(admin), begun, ORIGIN, half.fingerprint);
    await place.save(half);
    // In between a gateway works with both masters, new patients under the new one.
    await place.submit(12, 20);
    expect(await ran(place, 'rotate', 'master')).toMatch(/\d+ keys are sealed under the new master/);
    expect((await place.load()).history.master).toEqual([]);
    await verified(place);
    await rebuilds(place, 20);
  });

  it('a crash between any two steps leaves a gateway that opens, and the same command ends it', async () => {
    const before = await place.load();
    const begun = beginRotation(before, 'sign', 1, systemRandom);
    await place.save(begun);
    // Begun, not in the ledger: the old key is the one.
    expect(keySetFor(await place.load(), await logFingerprint(admin), TOKEN_LIFE_MS).sign.rawPublicKey).toEqual(
      before.sign.rawPublicKey,
    );
    await place.submit(12, 14);
    await expect(keys(['rotate', 'issuer'], context(place.env))).rejects.toMatchObject({ code: 'conflict' });
    const next = finishRotation(begun, TOKEN_LIFE_MS);
    await anchorRotation(commitStore(admin), await place.load(), ORIGIN, next.fingerprint);
    // In the ledger, not in the key file: the new key is the one.
    const chosen = keySetFor(await place.load(), await logFingerprint(admin), TOKEN_LIFE_MS);
    expect(chosen.sign.rawPublicKey).toEqual(next.sign.rawPublicKey);
    const writer = await openTestWriter({ database: place.database, keys: chosen });
    await submitAll(writer, 14, 16);
    await writer.close();
    await verified(place);
    expect(await ran(place, 'rotate', 'sign')).toContain('interrupted rotation of sign is finished');
    expect((await place.load()).sign.rawPublicKey).toEqual(next.sign.rawPublicKey);
    await verified(place);
    await rebuilds(place, 16);
  });

  it('of the log key is refused: it would be another log', async () => {
    await expect(keys(['rotate', 'log'], context(place.env))).rejects.toMatchObject({ exitCode: 64 });
    await expect(keys(['rotate', 'x'], context(place.env))).rejects.toMatchObject({ exitCode: 64 });
  });
});

describe('the key file', () => {
  let place: Place;
  beforeAll(async () => {
    place = await newPlace();
    await place.submit(0, 2);
  });
  afterAll(() => place.database.drop());

  it('show prints the public side, and nothing secret', async () => {
    const said = await ran(place, 'show');
    const keySet = await place.load();
    expect(said).toContain(formatVkey(verifierKey(ORIGIN, KEY_ED25519, keySet.log.rawPublicKey)));
    expect(said).toContain(keySet.sign.rawPublicKey.toString('base64url'));
    for (const role of ['sign', 'log', 'witness', 'mirror', 'encrypt', 'issuer'] as const) {
      expect(said).not.toContain(keySet[role].privateKey.export({ format: 'jwk' }).d);
    }
    expect(said).not.toContain(keySet.master.export().toString('base64url'));
  });

  it('passphrase encrypts it, changes it, takes it away', async () => {
    const before = await place.load();
    for (const name of ['one', 'two'])
      writeFileSync(join(folder, name), `a passphrase called ${name}\n`, { mode: 0o600 });
    await ran(place, 'passphrase', '--new-file', 'one');
    await expect(place.load()).rejects.toMatchObject({ code: 'forbidden' });
    const one = { ...place, env: { ...place.env, KEY_PASSPHRASE_FILE: join(folder, 'one') } };
    await ran(one, 'passphrase', '--new-file', 'two');
    await expect(keys(['show'], context(one.env))).rejects.toMatchObject({ code: 'forbidden' });
    const two = { ...place, env: { ...place.env, KEY_PASSPHRASE_FILE: join(folder, 'two') } };
    await ran(two, 'passphrase', '--none');
    expect((await place.load()).fingerprint).toBe(before.fingerprint);
    await expect(keys(['passphrase'], context(place.env))).rejects.toMatchObject({ exitCode: 64 });
  });

  it('comes back from any k of n shares, and from no fewer', async () => {
    const before = await place.load();
    await ran(place, 'recovery-kit', '--shares', '5', '--threshold', '3', 'kit');
    const kit = join(folder, 'kit');
    const files = readdirSync(kit)
      .toSorted()
      .map((name) => join(kit, name));
    expect(files).toHaveLength(5);
    const elsewhere = { ...place, env: { ...place.env, KEY_FILE: join(folder, 'again.key') } };
    await expect(keys(['recover', ...files.slice(0, 2)], context(elsewhere.env))).rejects.toMatchObject({
      code: 'integrity',
    });
    await ran(elsewhere, 'recover', files[4], files[0], files[2]);
    const again = await fileKeyProvider({ path: join(folder, 'again.key'), random: systemRandom }).load({
      create: false,
    });
    expect(again.keySet.fingerprint).toBe(before.fingerprint);
    // Never over a key file that is there, nor over an older kit.
    await expect(keys(['recover', ...files], context(elsewhere.env))).rejects.toMatchObject({ code: 'conflict' });
    await expect(keys(['recovery-kit', 'kit'], context(place.env))).rejects.toThrow();
    expect(readFileSync(files[0], 'utf8')).not.toContain(before.master.export().toString('base64url'));
  });
});
