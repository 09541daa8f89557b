/** Another master while gateways run: they stop, start with the new keys, and renew everything in the background, one of them at a time. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startGateway, type Gateway } from '../../../src/app.ts';
import { keys } from '../../../src/cli/key-care.ts';
import { rebuild } from '../../../src/cli/rebuild.ts';
import { sampleOru } from '../../../src/cli/samples/hl7v2.ts';
import { verify } from '../../../src/cli/verify.ts';
import { silentLog, type LogFields } from '../../../src/core/log.ts';
import { systemRandom } from '../../../src/core/random.ts';
import type { KeySet } from '../../../src/keys/key-set.ts';
import { tryUnwrap } from '../../../src/record/unwrap.ts';
import { fileKeyProvider } from '../../../src/storage/key-file.ts';
import { RENEWAL_LOCK } from '../../../src/storage/pg/leader.ts';
import { configOf, eventually, runInProcess, sendHl7 } from '../../support/network.ts';
import { connectionUrl, createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

let folder: string;
let database: TestDatabase;
let env: Record<string, string>;
let running: Gateway[] = [];
let events: LogFields[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'anamnesis-renew-'));
  database = await createTestDatabase();
  events = [];
  env = {
    HTTP_PORT: '0',
    MLLP_PORT: '0',
    DICOM_PORT: '0',
    DATA_DIR: folder,
    KEY_FILE: join(folder, 'gateway.key'),
    DATABASE_URL: database.url,
    DATABASE_ADMIN_URL: connectionUrl(database.admin),
    GATEWAY_ORIGIN: 'renew.example/anamnesis',
  };
});
afterEach(async () => {
  await Promise.all(running.map((gateway) => gateway.close()));
  running = [];
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<Gateway> {
  const keep = (fields: LogFields): void => void events.push(fields);
  const gateway = await startGateway(configOf(env, folder), { ...silentLog, info: keep, warn: keep, error: keep });
  running.push(gateway);
  return gateway;
}

async function stop(gateway: Gateway): Promise<void> {
  running = running.filter((other) => other !== gateway);
  await gateway.close();
}

/** Every message is of a patient of its own: three new keys each. */
function send(gateway: Gateway, from: number, to: number): Promise<void> {
  const numbers = Array.from({ length: to - from }, (_, i) => from + i);
  return sendHl7(
    { gateway },
    numbers.map((n) => sampleOru(n).replaceAll('DEMO-1', `P${n}-`)),
  );
}

/** A connection that holds what the statement locks until it ends. */
async function hold(locking: string): Promise<pg.Client> {
  const client = new pg.Client(database.admin);
  // A test that fails drops the database under it.
  client.on('error', () => {});
  await client.connect();
  await client.query(locking);
  return client;
}

const loadKeys = async (): Promise<KeySet> =>
  (await fileKeyProvider({ path: join(folder, 'gateway.key'), random: systemRandom }).load({ create: false })).keySet;

/** How many wraps open under the key set's present master, and how many do not. */
async function underMaster({ master }: KeySet): Promise<readonly [number, number]> {
  const client = new pg.Client(database.admin);
  await client.connect();
  const { rows } = await client.query<{ wrap: Buffer }>('select wrap from lockbox union all select wrap from patient');
  await client.end();
  const opened = rows.filter(({ wrap }) => tryUnwrap([master], wrap) !== undefined).length;
  return [opened, rows.length - opened];
}

const oldMasterGone = (): Promise<true> =>
  eventually(
    async () => ((await loadKeys()).history.master.length === 0 ? true : undefined),
    () => JSON.stringify(events.slice(-5)),
  );

it('gateways renew the keys beside their work, and destroy the old master', async () => {
  const first = await start();
  await send(first, 0, 30);
  const before = await loadKeys();
  const said = await runInProcess(keys, ['rotate', 'master', '--background'], env);
  expect(said.out).toContain('in the background');
  const begun = await loadKeys();
  expect(begun.history.master).toHaveLength(1);
  // The old process writes nothing more, and says so.
  await expect(send(first, 30, 31)).rejects.toThrow();
  await first.fenced;
  await stop(first);
  expect((await underMaster(begun))[0]).toBe(0);
  const [one, two] = [await start(), await start()];
  await Promise.all([send(one, 40, 60), send(two, 60, 80)]);
  await oldMasterGone();
  const after = await loadKeys();
  expect(after.master.equals(before.master)).toBe(false);
  expect((await underMaster(after))[1]).toBe(0);
  const metrics = await (await fetch(`${one.addresses.http}/metrics`)).text();
  const others = await (await fetch(`${two.addresses.http}/metrics`)).text();
  expect(metrics + others).toMatch(/anamnesis_key_renewal_keys\{state="renewed"\} [1-9]/);
  const finished = (): LogFields[] => events.filter(({ event }) => event === 'key-renewal.finished');
  await eventually(() => finished()[0]);
  await send(one, 80, 82);
  expect((await runInProcess(verify, [], env)).out).not.toContain('FAULT');
  for (const gateway of [one, two]) await stop(gateway);
  expect(finished()).toHaveLength(1);
  const target = await createTestDatabase();
  expect(await runInProcess(rebuild, ['--into', connectionUrl(target.admin)], env)).toMatchObject({ code: 0 });
  await target.drop();
});

it('goes on at the next start where it was stopped', async () => {
  const first = await start();
  await send(first, 0, 20);
  await stop(first);
  await runInProcess(keys, ['rotate', 'master', '--background'], env);
  // A row that the renewal has to write is held until the gateway has been told to stop.
  const holder = await hold('begin; select from lockbox order by leaf limit 1 for update');
  const second = await start();
  await eventually(() => events.find(({ event }) => event === 'key-renewal.begun'));
  const stopping = stop(second);
  await holder.end();
  await stopping;
  const third = await start();
  await oldMasterGone();
  expect((await underMaster(await loadKeys()))[1]).toBe(0);
  await send(third, 20, 22);
});

it('the command waits for a gateway that is at it', async () => {
  const first = await start();
  await send(first, 0, 20);
  await stop(first);
  await runInProcess(keys, ['rotate', 'master', '--background'], env);
  // Whoever renews holds this lock. The gateway and the command both find it taken, and either may have it after that.
  const holder = await hold(`select pg_advisory_lock(${RENEWAL_LOCK})`);
  const second = await start();
  const printed: string[] = [];
  const rotating = keys(['rotate', 'master'], {
    env,
    cwd: folder,
    out: (line) => void printed.push(line),
    err: (line) => void printed.push(line),
  });
  await eventually(
    () => printed.find((line) => line.includes('waiting for it')),
    () => printed.join('\n'),
  );
  expect((await loadKeys()).history.master).toHaveLength(1);
  await holder.end();
  expect(await rotating, printed.join('\n')).toBe(0);
  expect(printed.at(-1)).toMatch(/the old one is destroyed\.$|Destroy its copies too/);
  const after = await loadKeys();
  expect(after.history.master).toHaveLength(0);
  expect((await underMaster(after))[1]).toBe(0);
  await send(second, 20, 22);
});

it('a gateway that has nothing to write notices too', async () => {
  const gateway = await start();
  await send(gateway, 0, 1);
  await runInProcess(keys, ['rotate', 'witness'], env);
  await gateway.fenced;
});

it('a key file that was changed meanwhile is not written over', async () => {
  const provider = fileKeyProvider({ path: join(folder, 'gateway.key'), random: systemRandom });
  await (await start().then(async (gateway) => (await send(gateway, 0, 2), gateway))).close();
  running = [];
  const keySet = await loadKeys();
  const other = { ...keySet, renewed: true };
  // Of an edit and a save at the same time one comes wholly after the other: neither is lost unseen.
  await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      provider.update((current) => ({
        ...current,
        history: { ...current.history, sign: [...current.history.sign, Buffer.alloc(32, i)] },
      })),
    ),
  );
  expect((await loadKeys()).history.sign).toHaveLength(8);
  await provider.save(other, 'replace');
  expect((await loadKeys()).renewed).toBe(true);
});
