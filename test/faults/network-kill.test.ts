/**
 * A gateway and the one that witnesses and mirrors it, each a process with a Postgres of its own, are killed with SIGKILL at random
 * moments under load: what was said to be mirrored is at the mirror, what was said to be witnessed is known by the witness, no
 * tree is signed twice, and in the end both verify.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cosigners } from '../../src/app/network.ts';
import { sampleOru } from '../../src/cli/samples/hl7v2.ts';
import { connectMllp } from '../../src/clients/mllp.ts';
import { systemRandom } from '../../src/core/random.ts';
import { cosignerKey } from '../../src/ledger/cosignature.ts';
import { formatVkey, KEY_ED25519, verifierKey } from '../../src/ledger/note.ts';
import { fileKeyProvider } from '../../src/storage/key-file.ts';
import { runCommand, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';
import { openLink, type Link } from '../support/link.ts';
import { eventually } from '../support/network.ts';
import { LONG, SEED } from './scale.ts';
import { kill, query, type Victim } from './victims.ts';

const ROUNDS = LONG ? 24 : 2;
/** Who dies: the origin (0) or its peer (1), and what of it. */
const ORDER: readonly (readonly [0 | 1, Victim])[] = [
  [1, 'both'],
  [0, 'gateway'],
  [1, 'gateway'],
  [0, 'postgres'],
  [1, 'postgres'],
  [0, 'both'],
  [1, 'backend'],
  [0, 'backend'],
];

interface Node {
  readonly origin: string;
  readonly dataDir: string;
  readonly link: Link;
  readonly env: Record<string, string>;
  process: GatewayProcess | undefined;
}

const root = mkdtempSync(join(tmpdir(), 'anamnesis-netkill-'));
const nodes: Node[] = [];
beforeAll(async () => {
  // The account of the embedded servers passes through.
  chmodSync(root, 0o755);
  const lines: string[][] = [[], []];
  for (const name of ['first', 'second']) {
    const dataDir = join(root, name);
    mkdirSync(dataDir, { mode: 0o755 });
    const origin = `${name}.example/anamnesis`;
    const { keySet } = await fileKeyProvider({ path: join(dataDir, 'gateway.key'), random: systemRandom }).load({
      create: true,
    });
    const link = await openLink();
    const url = `http://127.0.0.1:${link.port}`;
    const { witness, mirror } = cosigners(origin, keySet);
    const log = `log ${formatVkey(verifierKey(origin, KEY_ED25519, keySet.log.rawPublicKey))} ${url}/ledger`;
    for (const each of lines) each.push(log);
    lines[nodes.length === 0 ? 1 : 0]?.push(
      `witness ${name}-w ${formatVkey(cosignerKey(witness))} ${url}/witness`,
      `witness ${name}-m ${formatVkey(cosignerKey(mirror))} ${url}/mirror`,
      `group mirrors all ${name}-m`,
      `group accepted all mirrors ${name}-w`,
      'quorum accepted',
    );
    const env = {
      FREE_DISK_FLOOR_BYTES: '1000000',
      GATEWAY_ORIGIN: origin,
      LEDGER_POLICY_FILE: join(dataDir, 'policy'),
    };
    nodes.push({ origin, dataDir, link, env, process: undefined });
  }
  for (const [i, { env }] of nodes.entries()) writeFileSync(env.LEDGER_POLICY_FILE ?? '', `${lines[i]?.join('\n')}\n`);
  for (const node of nodes) await start(node);
}, 120_000);
afterAll(async () => {
  for (const node of nodes) await node.process?.stop();
  for (const { link } of nodes) await link.close();
  rmSync(root, { recursive: true, force: true });
});

async function start(node: Node): Promise<void> {
  node.process = await startGatewayProcess({ dataDir: node.dataDir, env: node.env });
  node.link.target = { host: '127.0.0.1', port: Number(new URL(node.process.http).port) };
}

let state = SEED + 1;
const random = (below: number): number => (state = (state * 48_271) % 2_147_483_647) % below;

interface Sizes {
  readonly durable: number;
  readonly mirrored: number;
  readonly witnessed: number;
}

it(`kill -9 in a network of two breaks no promise (seed ${SEED})`, { timeout: 60_000 + ROUNDS * 60_000 }, async () => {
  const [origin, peer] = nodes as [Node, Node];
  const acknowledged = new Map<number, string>();
  const promised = { mirrored: 0, witnessed: 0 };
  let sent = 0;
  let sending = true;
  const sizes = async (): Promise<Sizes | undefined> => {
    const answer = await fetch(`${origin.process?.http}/ledger/levels`).catch(() => undefined);
    if (answer?.status !== 200) return undefined;
    const { sizes: found } = (await answer.json()) as { sizes: Sizes };
    promised.mirrored = Math.max(promised.mirrored, found.mirrored);
    promised.witnessed = Math.max(promised.witnessed, found.witnessed);
    return found;
  };
  const deliver = async (n: number): Promise<void> => {
    try {
      const client = await connectMllp({ ...(origin.process as GatewayProcess).mllp, timeoutMs: 20_000 });
      const answer = (await client.send(Buffer.from(sampleOru(n)))).toString();
      client.close();
      if (!answer.includes('\rMSA|AA|')) return;
      expect(answer).toBe(acknowledged.get(n) ?? answer);
      acknowledged.set(n, answer);
    } catch {
      // Not acknowledged: it may be there or not.
      await delay(50);
    }
  };
  const traffic = Promise.all([
    ...Array.from({ length: 4 }, async () => {
      while (sending) await deliver((sent += 1));
    }),
    (async () => {
      while (sending) {
        await sizes().catch(() => undefined);
        await delay(20);
      }
    })(),
  ]);

  for (let round = 0; round < ROUNDS; round += 1) {
    const [at, victim] = ORDER[round % ORDER.length] as readonly [0 | 1, Victim];
    const dying = nodes[at] as Node;
    const before = acknowledged.size;
    const level = promised.witnessed;
    await eventually(
      () => (acknowledged.size > before + 8 && promised.witnessed > level ? true : undefined),
      () => `${round}: no progress`,
      60_000,
    );
    await delay(random(400));
    await kill(victim, dying.process as GatewayProcess, dying.dataDir);
    if (victim === 'gateway' || victim === 'both') {
      dying.link.target = undefined;
      dying.link.cut();
      await delay(random(600));
      await start(dying);
    }
    const then = { ...promised };
    const [held] = await eventually(() =>
      query<{ held: string; size: string; witnessed: string; evidence: string }>(
        peer.dataDir,
        `select m.held, m.size, w.size as witnessed, (select count(*) from equivocation) as evidence
           from mirror_log m join accepted_checkpoint w on w.origin = m.origin and w.role = 'witness'
          where m.origin = '${origin.origin}'`,
      ).catch(() => undefined),
    );
    const found = [held?.held, held?.size, held?.witnessed, held?.evidence].map(Number);
    expect(found[0], `round ${round}`).toBeGreaterThanOrEqual(then.mirrored);
    expect(found[1], `round ${round}`).toBeGreaterThanOrEqual(then.mirrored);
    expect(found[2], `round ${round}`).toBeGreaterThanOrEqual(then.witnessed);
    expect(found[3], `round ${round}`).toBe(0);
  }
  sending = false;
  await traffic;
  for (let n = 1; n <= sent; n += 1) while (!acknowledged.has(n)) await deliver(n);
  for (const n of [...acknowledged.keys()].slice(-20)) await deliver(n);
  await eventually(
    async () => {
      const now = await sizes();
      return now !== undefined && now.witnessed === now.durable && now.mirrored >= now.durable ? true : undefined;
    },
    () => 'does not settle',
    60_000,
  );
  const hash = (prefix: string, whose: string): string =>
    `select md5(string_agg((leaf, body)::text, ',' order by leaf)) as hash, count(*)::int as rows from ${prefix}document ${whose}`;
  const mirrored = await query(
    peer.dataDir,
    hash('mirror_', `where log = (select log from mirror_log where origin = '${origin.origin}')`),
  );
  expect(mirrored).toEqual(await query(origin.dataDir, hash('', '')));
  for (const node of nodes) {
    expect(await node.process?.stop()).toBe(0);
    node.process = undefined;
    const verified = await runCommand(['verify'], { dataDir: node.dataDir, env: node.env });
    expect(verified.stdout, node.origin).toContain('nothing is wrong');
  }
});
