/** What a newcomer does: `start` from an empty folder, twice, beside another, with wrong settings; stop in order. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { canReach } from '../../src/storage/embedded-postgres/account.ts';
import {
  gatewayEnvironment,
  runCommand,
  startGatewayProcess,
  type GatewayProcess,
  type ProcessOptions,
} from '../support/gateway-process.ts';
import { createTestDatabase } from '../support/postgres.ts';

const root = mkdtempSync(join(tmpdir(), 'anamnesis start '));
chmodSync(root, 0o711);
const dataDir = join(root, 'data of a gateway');
const running: GatewayProcess[] = [];

afterEach(async () => {
  for (const gateway of running.splice(0)) await gateway.stop('SIGKILL');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function start(options: ProcessOptions = { dataDir }): Promise<GatewayProcess> {
  const gateway = await startGatewayProcess(options);
  running.push(gateway);
  return gateway;
}

async function vkey(gateway: GatewayProcess): Promise<string> {
  return (await fetch(`${gateway.http}/ledger/vkey`)).text();
}

test('an empty folder becomes a running gateway that says where everything is, and drains', async () => {
  const gateway = await start();
  for (const name of ['FHIR', 'MLLP', 'DIMSE', 'ledger', 'API page', 'data', 'database', 'try']) {
    expect(gateway.output()).toMatch(new RegExp(`^  ${name} +\\S`, 'm'));
  }
  expect(gateway.output()).toContain('WARNING: the key file');
  expect(gateway.output()).toContain(dataDir);
  expect([gateway.mllp.port > 0, gateway.dicom.port > 0]).toEqual([true, true]);
  expect(statSync(join(dataDir, 'gateway.key')).mode & 0o777).toBe(0o600);
  for (const path of ['/healthz', '/readyz', '/metrics', '/fhir/metadata', '/ledger/vkey', '/api']) {
    expect([path, (await fetch(gateway.http + path)).status]).toEqual([path, 200]);
  }
  expect(await gateway.stop('SIGTERM')).toBe(0);
  // An orderly stop has nothing to warn of.
  expect(gateway.output()).not.toMatch(/"level":"(?:warn|error)"/);
});

test('twice in a row it is the same gateway', async () => {
  const first = await start();
  const key = await vkey(first);
  expect(await first.stop('SIGINT')).toBe(0);
  expect(await vkey(await start())).toBe(key);
});

test('killed and started again at once', async () => {
  const first = await start();
  const key = await vkey(first);
  await first.stop('SIGKILL');
  expect(await vkey(await start())).toBe(key);
});

test('a second gateway on the same data directory refuses and says why', async () => {
  await start();
  const second = await runCommand(['start'], { dataDir });
  expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('in use by another gateway')]);
});

test('a port that is taken is named, and nothing is left behind', async () => {
  const first = await start();
  const { port } = first.mllp;
  const other = join(root, 'other');
  const second = await runCommand(['start'], { dataDir: other, env: { MLLP_PORT: String(port) } });
  expect([second.code, second.stderr]).toEqual([69, expect.stringContaining(`port ${port} is taken`)]);
  expect(existsSync(join(other, 'postgres.lock'))).toBe(false);
});

test('wrong settings: all at once, exit 78, nothing made', async () => {
  const fresh = join(root, 'never');
  const { code, stderr } = await runCommand(['start'], {
    dataDir: fresh,
    env: { HTTP_PORT: 'x', LOG_LEVEL: 'y', HOST: '0.0.0.0' },
  });
  expect(code).toBe(78);
  for (const name of ['HTTP_PORT', 'LOG_LEVEL', 'MLLP_PORT', 'DICOM_PORT']) expect(stderr).toContain(`  ${name}: `);
  expect(existsSync(fresh)).toBe(false);
});

test('the wrong key file for a database is noticed', async () => {
  await (await start()).stop();
  const other = join(root, 'of another');
  await (await start({ dataDir: other })).stop();
  const env = { KEY_FILE: join(other, 'gateway.key') };
  const { code, stderr } = await runCommand(['start'], { dataDir, env });
  expect([code, stderr]).toEqual([1, expect.stringContaining('not the one this database was written with')]);
});

test('a lost key file is not replaced by a new one, which would stand in the way of its recovery', async () => {
  await (await start()).stop();
  const kit = join(root, 'kit');
  await runCommand(['keys', 'recovery-kit', '--shares', '3', '--threshold', '2', kit], { dataDir });
  const place = join(dataDir, 'gateway.key');
  renameSync(place, join(root, 'lost.key'));
  const { code, stderr } = await runCommand(['start'], { dataDir });
  expect([code, stderr, existsSync(place)]).toEqual([1, expect.stringContaining('keys recover'), false]);
  const shares = [1, 3].map((n) => join(kit, `share-${n}-of-3.json`));
  expect(await runCommand(['keys', 'recover', ...shares], { dataDir })).toMatchObject({ code: 0 });
  await (await start()).stop();
});

test('under a passphrase there is no warning, and tokens need it too', async () => {
  const env = { KEY_PASSPHRASE_FILE: join(root, 'passphrase') };
  writeFileSync(env.KEY_PASSPHRASE_FILE, 'correct horse battery\n');
  const options = { dataDir: join(root, 'sealed'), env };
  const gateway = await start(options);
  expect(gateway.output()).not.toContain('WARNING');
  const args = ['token', '--role', 'practitioner', '--sub', 'dr-demo'];
  const refused = await runCommand(args, { dataDir: options.dataDir });
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('KEY_PASSPHRASE_FILE')]);
  const token = (await runCommand(args, options)).stdout.trim();
  const answer = await fetch(`${gateway.http}/fhir/Patient?identifier=urn:x|1`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(answer.status).toBe(200);
});

test('DATABASE_URL: no embedded Postgres is started', async () => {
  const database = await createTestDatabase({ empty: true });
  try {
    const options = { dataDir: join(root, 'external'), env: { DATABASE_URL: database.url } };
    const gateway = await start(options);
    expect(existsSync(join(options.dataDir, 'postgres'))).toBe(false);
    expect((await fetch(`${gateway.http}/readyz`)).status).toBe(200);
    expect(await gateway.stop()).toBe(0);
  } finally {
    await database.drop();
  }
});

test('when the embedded Postgres is killed the gateway lives, says it is not ready, and recovers', async () => {
  const gateway = await start({ dataDir, env: { LOG_LEVEL: 'info' } });
  const { pid } = await postmaster();
  process.kill(pid, 'SIGKILL');
  for (;;) {
    const { status } = await fetch(`${gateway.http}/readyz`);
    expect([200, 503]).toContain(status);
    const now = await postmaster().catch(() => ({ pid }));
    if (now.pid !== pid && status === 200) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(await gateway.stop()).toBe(0);
});

async function postmaster(): Promise<{ pid: number }> {
  const { readFile } = await import('node:fs/promises');
  return { pid: Number((await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]) };
}

// A checkout below a closed folder cannot be run by others at all.
const nobody = { uid: 65534, gid: 65534 };
describe.runIf(userInfo().uid === 0 && canReach(import.meta.dirname, nobody))('as an account without rights', () => {
  test('start works, and leaves the files to that account', async () => {
    const home = join(root, 'of nobody');
    const { uid, gid } = nobody;
    const made = spawn('install', ['-d', '-o', String(uid), '-g', String(gid), home]);
    await once(made, 'close');
    const options = { dataDir: join(home, 'data') };
    const child = spawn(process.execPath, [join(import.meta.dirname, '..', '..', 'bin', 'anamnesis.js'), 'start'], {
      env: gatewayEnvironment(options),
      uid,
      gid,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    let asked = false;
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (asked || !/^ready$/m.test(output)) return;
      asked = child.kill('SIGTERM');
    });
    const [code]: unknown[] = await once(child, 'close');
    expect([code, output]).toEqual([0, expect.stringMatching(/^ready$/m)]);
    expect(statSync(join(options.dataDir, 'gateway.key')).uid).toBe(uid);
  });
});
