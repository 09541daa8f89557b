/**
 * Nothing acknowledged is lost: the gateway, its Postgres, both, or one backend are killed with SIGKILL at random moments under
 * load by all protocols; after each restart what was acknowledged is there exactly once, nothing is there by half, and at the
 * end the ledger verifies. `npm run test:faults -- --rounds N` runs as many rounds as wanted; FAULT_SEED repeats its moments.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import {
  gatewayEnvironment,
  runCommand,
  startGatewayProcess,
  type GatewayProcess,
} from '../support/gateway-process.ts';
import { checkImages, checkReports, checkTransactions, resendReports, type Checked } from './checks.ts';
import { Account, startTraffic } from './traffic.ts';
import { LONG, SEED } from './scale.ts';
import { kill, type Victim } from './victims.ts';

const ROUNDS = Number(process.env.FAULT_ROUNDS ?? (LONG ? 40 : 20));
/** Who dies in each round, over and over. */
const ORDER: readonly Victim[] = ['gateway', 'postgres', 'both', 'gateway', 'backend', 'postgres', 'gateway', 'both'];
const CONNECTIONS = 8;
const BIN = join(import.meta.dirname, '..', '..', 'bin', 'anamnesis.js');

const dataDir = mkdtempSync(join(tmpdir(), 'anamnesis-faults-'));
const env = { FREE_DISK_FLOOR_BYTES: '1000000' };
let gateway: GatewayProcess | undefined;
afterAll(async () => {
  await gateway?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    if (waited > 60_000) throw new Error(`${what}: not within a minute`);
    await delay(10);
  }
}

/** A start that is killed before it is ready. */
async function startAndKill(afterMs: number): Promise<void> {
  const child = spawn(process.execPath, [BIN, 'start'], { env: gatewayEnvironment({ dataDir, env }), stdio: 'ignore' });
  const ended = once(child, 'exit');
  await delay(afterMs);
  child.kill('SIGKILL');
  await ended;
}

describe('kill -9 under load', () => {
  it(
    `loses nothing in ${ROUNDS} rounds (seed ${SEED})`,
    async () => {
      const next = random(SEED);
      const account = new Account();
      let running = await startGatewayProcess({ dataDir, env });
      gateway = running;
      const token = await tokenOf();
      const checked = (): Checked => ({ gateway: running, token, dataDir, account });
      let seenReports = 0;
      const seenTransactions = new Set<string>();
      for (let round = 0; round < ROUNDS; round += 1) {
        const victim = ORDER[round % ORDER.length];
        // Studies are settled in the background, so that the strict look at the log is for the rounds without images.
        const images = round >= ROUNDS / 2;
        const before = account.acknowledged();
        const traffic = startTraffic({ gateway: running, token, account, connections: CONNECTIONS, images });
        await until(() => account.acknowledged() > before + CONNECTIONS, 'traffic');
        await delay(Math.floor(next() * 500));
        const atKill = account.acknowledged();
        await kill(victim, running, dataDir);
        // The gateway outlives its database: it must take messages again by itself.
        if (victim === 'postgres' || victim === 'backend') {
          await until(() => account.acknowledged() > atKill + CONNECTIONS * 2, `recovery from the death of ${victim}`);
        }
        await traffic.stop();
        if (victim === 'gateway' || victim === 'both') {
          if (next() < 0.3) await startAndKill(Math.floor(next() * 700));
          // Messages are taken in by the main thread, or by one of their own.
          running = await startGatewayProcess({ dataDir, env: { ...env, INTAKE_THREADS: String(round % 2) } });
          gateway = running;
        }
        const reports = [...account.reports.keys()].slice(seenReports);
        seenReports += reports.length;
        const transactions = [...account.transactions.keys()].filter((key) => !seenTransactions.has(key));
        for (const key of transactions) seenTransactions.add(key);
        await resendReports(checked(), reports, !images);
        // The last ones were under way when it died; of the others a sample.
        await checkReports(checked(), [...reports.slice(-4 * CONNECTIONS), ...reports.slice(0, 2)]);
        await checkTransactions(checked(), transactions.slice(-8));
      }
      const all = account.acknowledgedReports();
      await resendReports(checked(), all, false);
      await checkReports(
        checked(),
        all.filter((n) => n % 7 === 0),
      );
      await checkTransactions(checked(), [...account.transactions.keys()]);
      if (account.images.size > 0) await checkImages(checked());
      console.log(
        `faults: ${ROUNDS} rounds, ${all.length} reports, ${account.transactions.size} transactions, ${account.images.size} images`,
      );
      expect(await running.stop()).toBe(0);
      gateway = undefined;
      const verified = await runCommand(['verify'], { dataDir, env });
      expect(verified, verified.stdout).toMatchObject({ code: 0 });
      expect(verified.stdout).toContain('nothing is wrong');
    },
    60_000 + ROUNDS * 20_000,
  );
});

async function tokenOf(): Promise<string> {
  const args = ['token', '--role', 'practitioner', '--sub', 'dr-faults', '--ttl', '86400'];
  const { stdout } = await runCommand(args, { dataDir, env });
  return stdout.trim();
}
