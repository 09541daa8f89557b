// Time from the acknowledgement of a message to `witnessed`, with 3 and with 13 whole gateways in this process, each with its
// own database on one cluster: one of them takes 200 messages a second, any one other mirrors, any two witness.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGateway } from '../../dist/app.js';
import { cosigners } from '../../dist/app/network.js';
import { sampleOru } from '../../dist/cli/samples/hl7v2.js';
import { connectMllp } from '../../dist/clients/mllp.js';
import { loadConfig } from '../../dist/config/load.js';
import { silentLog } from '../../dist/core/log.js';
import { systemRandom } from '../../dist/core/random.js';
import { cosignerKey } from '../../dist/ledger/cosignature.js';
import { formatVkey, KEY_ED25519, verifierKey } from '../../dist/ledger/note.js';
import { startEmbeddedPostgres } from '../../dist/storage/embedded-postgres/embedded-postgres.js';
import { fileKeyProvider } from '../../dist/storage/key-file.js';
import { administerDatabases } from '../../dist/storage/pg/databases.js';

const RATE = 200;
const CONNECTIONS = 8;

/** A port that was free a moment ago: the policy files name it before its gateway listens. */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function startNetwork(count, root, postgres) {
  const members = [];
  for (let at = 0; at < count; at += 1) {
    const dataDir = mkdtempSync(join(root, 'gateway-'));
    const { keySet } = await fileKeyProvider({ path: join(dataDir, 'gateway.key'), random: systemRandom }).load({
      create: true,
    });
    const database = `bench_${count}_${at}`;
    await administerDatabases(postgres.connection, [{ create: database }]);
    members.push({
      label: `g${at}`,
      origin: `g${at}.example/anamnesis`,
      keySet,
      dataDir,
      database,
      port: await freePort(),
    });
  }
  const gateways = [];
  for (const own of members) {
    const others = members.filter((member) => member !== own);
    const lines = members.map(
      ({ origin, keySet, port }) =>
        `log ${formatVkey(verifierKey(origin, KEY_ED25519, keySet.log.rawPublicKey))} http://127.0.0.1:${port}/ledger`,
    );
    for (const { label, origin, keySet, port } of others) {
      const { witness, mirror } = cosigners(origin, keySet);
      lines.push(`witness ${label}-w ${formatVkey(cosignerKey(witness))} http://127.0.0.1:${port}/witness`);
      if (others.findIndex((other) => other.label === label) < 3) {
        lines.push(`witness ${label}-m ${formatVkey(cosignerKey(mirror))} http://127.0.0.1:${port}/mirror`);
      }
    }
    lines.push(
      `group mirrors any ${others
        .slice(0, 3)
        .map(({ label }) => `${label}-m`)
        .join(' ')}`,
    );
    lines.push(`group witnesses 2 ${others.map(({ label }) => `${label}-w`).join(' ')}`);
    lines.push('group accepted all mirrors witnesses', 'quorum accepted');
    const policy = join(own.dataDir, 'policy');
    writeFileSync(policy, `${lines.join('\n')}\n`);
    const { host, port, user } = postgres.connection;
    const loaded = loadConfig(
      {
        HTTP_PORT: String(own.port),
        MLLP_PORT: '0',
        DICOM_PORT: '0',
        DATA_DIR: own.dataDir,
        DATABASE_URL: `postgresql://${user}@/${own.database}?host=${encodeURIComponent(host)}&port=${port}`,
        DATABASE_CONNECTIONS: '6',
        GATEWAY_ORIGIN: own.origin,
        LEDGER_POLICY_FILE: policy,
      },
      own.dataDir,
    );
    if ('errors' in loaded) throw new Error(loaded.errors.join('; '));
    gateways.push(await startGateway(loaded.config, silentLog));
  }
  return { gateways, url: `http://127.0.0.1:${members[0].port}` };
}

async function timeToWitnessed(count, seconds) {
  const root = mkdtempSync(join(tmpdir(), 'anamnesis-bench-'));
  const postgres = await startEmbeddedPostgres({ dataDir: root, log: silentLog, settings: { max_connections: '200' } });
  const { gateways, url } = await startNetwork(count, root, postgres);
  const [host, port] = gateways[0].addresses.mllp.split(':');
  const clients = [];
  for (let i = 0; i < CONNECTIONS; i += 1)
    clients.push(await connectMllp({ host, port: Number(port), timeoutMs: 30_000 }));
  const sizes = async () => (await (await fetch(`${url}/ledger/levels`)).json()).sizes;
  // The size of the log when a message was acknowledged bounds its leaf: when that size is witnessed, the message is.
  const waiting = [];
  const latencies = [];
  let sending = true;
  const watch = (async () => {
    while (sending || waiting.length > 0) {
      const { durable, witnessed } = await sizes();
      const now = performance.now();
      for (const one of waiting) one.size ??= durable;
      while (waiting.length > 0 && waiting[0].size <= witnessed) latencies.push(now - waiting.shift().at);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  let sent = 0;
  // The first gateway withholds its checkpoints until the others, which started later, have answered the restore rule.
  while ((await sizes()).witnessed === 0) await new Promise((resolve) => setTimeout(resolve, 50));
  // Cold code is not what is measured: two seconds go before.
  const warm = performance.now() + 2000;
  const until = warm + seconds * 1000;
  await Promise.all(
    clients.map(async (client) => {
      for (let due = performance.now(); due < until; due += (1000 * CONNECTIONS) / RATE) {
        const early = due - performance.now();
        if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
        sent += 1;
        await client.send(Buffer.from(sampleOru(count * 100_000 + sent)));
        if (performance.now() > warm) waiting.push({ at: performance.now(), size: undefined });
      }
    }),
  );
  sending = false;
  await watch;
  for (const client of clients) client.close();
  await Promise.all(gateways.map((gateway) => gateway.close()));
  await postgres.stop();
  rmSync(root, { recursive: true, force: true });
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] / 1000;
  return { p50: at(0.5), p99: at(0.99), rate: sent / (seconds + 2) };
}

export async function measure({ seconds }) {
  const rows = [];
  for (const count of [3, 13]) {
    const { p50, p99, rate } = await timeToWitnessed(count, seconds);
    const detail = `p50 ${p50.toFixed(2)} s at ${Math.round(rate)} messages/s`;
    rows.push({ name: `time to witnessed, ${count} gateways, p99`, value: p99, unit: 's', most: 1, detail });
  }
  return rows;
}
