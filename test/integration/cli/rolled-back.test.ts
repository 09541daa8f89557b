/** Commands that write into the log without the gateway do not go on from a database that was rolled back. */
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { keys } from '../../../src/cli/key-care.ts';
import { messages } from '../../../src/cli/messages.ts';
import { sampleOru } from '../../../src/cli/samples/hl7v2.ts';
import { suspend } from '../../../src/cli/suspend.ts';
import type { Command } from '../../../src/cli/command.ts';
import { createNetwork, runInProcess, sendHl7, settled, type Member, type TestNetwork } from '../../support/network.ts';
import { connectionUrl, copyTestDatabase, type TestDatabase } from '../../support/postgres.ts';

let network: TestNetwork;
let a: Member;
let backup: TestDatabase;
let quarantined: number;

beforeAll(async () => {
  network = await createNetwork(2);
  [a] = network.members as [Member];
  for (const member of network.members) await network.start(member);
  // Of no kind that is known: it waits in quarantine, and could be reprocessed.
  await sendHl7(a, [Buffer.from(sampleOru(1)), Buffer.from(sampleOru(2).replace('ORU^R01', 'ZZZ^Z99'))]);
  await settled(a);
  await network.stop(a);
  backup = await copyTestDatabase(a.database);
  quarantined = await numberIn(backup, 'select leaf as n from quarantine');
  await network.start(a);
  await sendHl7(a, [Buffer.from(sampleOru(3))]);
  await settled(a);
  await network.stop(a);
}, 120_000);
afterAll(async () => {
  await backup.drop();
  await network.close();
});

async function numberIn(database: TestDatabase, text: string): Promise<number> {
  const client = new pg.Client(database.config);
  await client.connect();
  const { rows } = await client.query<{ n: string }>(text);
  await client.end();
  return Number(rows[0]?.n);
}

const size = (database: TestDatabase): Promise<number> => numberIn(database, 'select size as n from log_head');

const COMMANDS: readonly (readonly [name: string, command: Command, args: readonly string[]])[] = [
  ['suspend', suspend, ['stranger.example/anamnesis']],
  ['keys rotate', keys, ['rotate', 'witness']],
  ['messages dismiss', messages, ['dismiss', 'LEAF', '--because', 'a test']],
];

it.each(COMMANDS)('%s', async (_name, command, args) => {
  const rolledBack = { ...network.environment(a, backup), DATABASE_ADMIN_URL: connectionUrl(backup.admin) };
  const before = await size(backup);
  const given = args.map((arg) => (arg === 'LEAF' ? String(quarantined) : arg));
  await expect(runInProcess(command, given, rolledBack)).rejects.toMatchObject({ code: 'integrity' });
  expect(await size(backup)).toBe(before);
});

it('and go on where nothing is missing', async () => {
  const before = await size(a.database);
  const done = await runInProcess(suspend, ['stranger.example/anamnesis'], network.environment(a));
  expect(done.code).toBe(0);
  expect(await size(a.database)).toBe(before + 1);
});
