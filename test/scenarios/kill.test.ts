/**
 * Nothing acknowledged is lost: kill -9 of the gateway, and of its Postgres, at random moments under load. After each the same
 * data directory is started again (or Postgres comes back by itself); in the end every acknowledged message is there, once,
 * and the whole ledger verifies. KILL_ROUNDS sets how often (default 20), KILL_SEED repeats a run.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { sampleOru } from '../../src/cli/samples/hl7v2.ts';
import { connectMllp, type MllpClient } from '../../src/clients/mllp.ts';
import { parseAck } from '../../src/formats/hl7v2/ack.ts';
import { runCommand, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';

const ROUNDS = Number(process.env.KILL_ROUNDS ?? 20);
const SEED = Number(process.env.KILL_SEED ?? Math.floor(Math.random() * 1e9));
const SENDERS = 3;

const dataDir = mkdtempSync(join(tmpdir(), 'anamnesis kill '));
let gateway: GatewayProcess | undefined;
afterAll(async () => {
  await gateway?.stop('SIGKILL');
  rmSync(dataDir, { recursive: true, force: true });
});

/** Reproducible numbers from 0 to 1 (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Sends messages of its own numbers until it is told to stop; notes those that were acknowledged. A message without an answer is sent again. */
async function sender(first: number, acknowledged: Set<number>, load: { on: boolean; sent: number }): Promise<void> {
  let client: MllpClient | undefined;
  for (let n = first; load.on;) {
    try {
      client ??= await connectMllp({ ...(gateway?.mllp ?? { host: '127.0.0.1', port: 1 }), timeoutMs: 30_000 });
      load.sent += 1;
      const ack = parseAck(await client.send(Buffer.from(sampleOru(n))));
      // AE while the database is away means: send again.
      if (ack?.code === 'AA') {
        acknowledged.add(n);
        n += SENDERS;
      } else {
        await delay(20);
      }
    } catch {
      client?.close();
      client = undefined;
      await delay(20);
    }
  }
  client?.close();
}

function running(): GatewayProcess {
  if (gateway === undefined) throw new Error('no gateway runs');
  return gateway;
}

async function ready(): Promise<void> {
  for (;;) {
    if (died !== undefined) throw new Error(`the gateway ended by itself:\n${died}`);
    const answer = await fetch(`${running().http}/readyz`).catch(() => undefined);
    if (answer?.status === 200) return;
    await delay(20);
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    if (died !== undefined) throw new Error(`the gateway ended by itself:\n${died}`);
    await delay(10);
  }
}

/** Output of a gateway that ended without being asked. */
let died: string | undefined;

async function start(): Promise<void> {
  const started = await startGatewayProcess({ dataDir, env: { LOG_LEVEL: 'error' } });
  gateway = started;
  void started.ended.then(() => {
    if (gateway === started) died = started.output();
  });
}

async function kill(): Promise<void> {
  const killed = gateway;
  gateway = undefined;
  await killed?.stop('SIGKILL');
}

async function leaves(): Promise<number> {
  return Number((await (await fetch(`${running().http}/ledger/checkpoint`)).text()).split('\n')[1]);
}

function postmaster(): number {
  return Number(readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]);
}

test(
  `${ROUNDS} kills at random moments lose nothing that was acknowledged (seed ${SEED})`,
  { timeout: 300_000 },
  async () => {
    const random = randomFrom(SEED);
    await start();
    const acknowledged = new Set<number>();
    const load = { on: true, sent: 0 };
    const senders = Array.from({ length: SENDERS }, (_, i) => sender(i, acknowledged, load));
    for (let round = 0; round < ROUNDS; round += 1) {
      const before = acknowledged.size;
      await until(() => acknowledged.size > before + 5);
      await delay(random() * 300);
      if (round % 2 === 0) {
        await kill();
        await start();
      } else {
        const killed = postmaster();
        process.kill(killed, 'SIGKILL');
        await until(() => {
          try {
            return postmaster() !== killed;
          } catch {
            return false;
          }
        });
        await ready();
      }
    }
    load.on = false;
    await Promise.all(senders);
    expect(acknowledged.size).toBeGreaterThan(ROUNDS * 5);

    // Each is known: a resend gets its stored acknowledgement and adds nothing.
    const before = await leaves();
    const client = await connectMllp({ ...running().mllp, timeoutMs: 30_000 });
    for (const n of acknowledged)
      expect([n, parseAck(await client.send(Buffer.from(sampleOru(n))))?.code]).toEqual([n, 'AA']);
    client.close();
    expect(await leaves()).toBe(before);

    // Each is there once, whole.
    const token = (await runCommand(['token', '--role', 'system', '--sub', 'kill-test'], { dataDir })).stdout.trim();
    const count = async (query: string): Promise<number> => {
      const answer = await fetch(`${running().http}/fhir/${query}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      const bundle: { entry?: unknown[] } = JSON.parse(await answer.text());
      return bundle.entry?.length ?? 0;
    };
    const sample = [...acknowledged].filter((_, i) => i % Math.ceil(acknowledged.size / 60) === 0);
    for (const n of sample) {
      const patient = `BENCH-${String(n).padStart(7, '0')}`;
      const search = await fetch(`${running().http}/fhir/Patient?identifier=${patient}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      const { entry = [] }: { entry?: { resource: { id: string } }[] } = JSON.parse(await search.text());
      expect([n, entry.length]).toEqual([n, 1]);
      const { id } = entry[0].resource;
      expect([n, await count(`DiagnosticReport?patient=${id}`), await count(`Observation?patient=${id}`)]).toEqual([
        n,
        1,
        8,
      ]);
    }

    const { code, stdout } = await runCommand(['verify'], { dataDir });
    expect([code, stdout]).toEqual([0, expect.any(String)]);
    const last = running();
    gateway = undefined;
    expect(await last.stop()).toBe(0);
    console.log(`${acknowledged.size} messages acknowledged of ${load.sent} sent, ${before} leaves, ${ROUNDS} kills`);
  },
);
