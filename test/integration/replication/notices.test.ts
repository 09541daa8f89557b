/**
 * What members say of each other stands in the ledger: suspensions act on the next request, over connections that are open already;
 * evidence and checkpoints of others are anchored; a rebuild derives all of it again.
 */
import { Agent, request } from 'node:http';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rebuild } from '../../../src/cli/rebuild.ts';
import { sampleOru } from '../../../src/cli/samples/hl7v2.ts';
import { suspend, unsuspend } from '../../../src/cli/suspend.ts';
import { verify } from '../../../src/cli/verify.ts';
import { silentLog } from '../../../src/core/log.ts';
import { anchorPeerCheckpoints, startPeerCheckpoints } from '../../../src/followers/peer-checkpoints.ts';
import { signCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { encodeAddCheckpoint } from '../../../src/ledger/witness-message.ts';
import { documentSigner } from '../../../src/record/document.ts';
import { anchorNotices } from '../../../src/replication/anchor-notices.ts';
import { ownMember } from '../../../src/replication/member.ts';
import { signSuspension } from '../../../src/replication/suspension.ts';
import { originHash } from '../../../src/replication/trust.ts';
import { commitStore } from '../../../src/storage/pg/commit-store.ts';
import { applyPeerCheckpoints, peerCheckpointStore } from '../../../src/storage/pg/notice-store.ts';
import { ownLog } from '../../../src/storage/pg/own-log.ts';
import { openPool, type Pool } from '../../../src/storage/pg/pool.ts';
import { commitAlone } from '../../../src/write/commit-alone.ts';
import {
  createNetwork,
  eventually,
  runInProcess,
  sendHl7,
  settled,
  type Member,
  type TestNetwork,
} from '../../support/network.ts';
import { connectionUrl, createTestDatabase, rowsOf, type TestDatabase } from '../../support/postgres.ts';
import { noteSigner } from '../../unit/ledger/support.ts';

let network: TestNetwork;
let a: Member;
let b: Member;
let c: Member;
const pools: Pool[] = [];

beforeAll(async () => {
  network = await createNetwork(3, { witnesses: 2 });
  [a, b, c] = network.members as [Member, Member, Member];
  for (const member of network.members) {
    await network.start(member);
    await sendHl7(member, [Buffer.from(sampleOru(1))]);
  }
  for (const member of network.members) await settled(member);
}, 120_000);
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
  await network.close();
});

function poolOf(database: Pick<TestDatabase, 'config'>): Pool {
  const pool = openPool({ ...database.config }, { max: 2, statementTimeoutMs: 0 }, () => {});
  pools.push(pool);
  return pool;
}

/** A member as seen by another: requests with its token over one connection that stays open. */
function session(from: Member, to: Member): { status: (path: string, body?: string) => Promise<number>; end(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const token = ownMember({
    origin: from.origin,
    signKey: from.keys.sign,
    log: { name: from.origin, ...from.keys.log },
    clock: { now: () => Date.now() },
  });
  const ports = new Set<number | undefined>();
  return {
    status: (path, body) =>
      new Promise((resolve, reject) => {
        const sent = request(
          `${to.url}${path}`,
          { agent, method: body === undefined ? 'GET' : 'POST', headers: { authorization: token.token(to.origin) } },
          (answer) => {
            ports.add(sent.socket?.localPort);
            answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
          },
        );
        sent.on('error', reject);
        sent.end(body);
      }),
    end() {
      // It was one connection all the time.
      expect(ports.size).toBe(1);
      agent.destroy();
    },
  };
}

describe('a suspension', () => {
  it('acts on the next request, of connections that are open already, in every process', async () => {
    const status = `/mirror/${originHash(c.origin)}/status`;
    const checkpoint = await (await fetch(`${c.url}/ledger/checkpoint?level=durable`)).text();
    const add = encodeAddCheckpoint(0, [], checkpoint);
    const open = session(c, b);
    expect(await open.status(status)).toBe(200);
    expect(await open.status('/witness/add-checkpoint', add)).toBe(409);
    const data = `/ledger/data?from=0&block=0`;
    expect(await open.status(data)).toBe(200);
    // Said by a command, which is another process than the gateway.
    expect(await runInProcess(suspend, [c.origin], network.environment(b))).toMatchObject({ code: 0 });
    expect(await open.status(status)).toBe(403);
    expect(await open.status('/witness/add-checkpoint', add)).toBe(403);
    expect(await open.status('/mirror/add-checkpoint', add)).toBe(403);
    expect(await open.status(data)).toBe(403);
    expect(await open.status(`/mirror/${originHash(a.origin)}/data?from=0&block=0`)).toBe(403);
    expect(await runInProcess(unsuspend, [c.origin], network.environment(b))).toMatchObject({ code: 0 });
    expect(await open.status(status)).toBe(200);
    open.end();
  });

  it('is anchored where it was said and where it was brought, once each', async () => {
    const kept = await rowsOf(b.database.admin, 'select leaf, statement from suspension_statement order by leaf');
    expect(kept.map(({ statement }) => String(statement).split('\n')[3])).toEqual(['suspend', 'restore']);
    expect(await rowsOf(a.database.admin, 'select statement from suspension_statement order by leaf')).toEqual(
      kept.map(({ statement }) => ({ statement })),
    );
    for (const statement of kept) {
      const answer = await fetch(`${a.url}/ledger/suspensions`, { method: 'POST', body: String(statement.statement) });
      expect(answer.status).toBe(200);
    }
    expect(await rowsOf(a.database.admin, 'select 1 from suspension_statement')).toHaveLength(2);
    const [document] = await rowsOf(
      b.database.admin,
      `select body from document where leaf = ${String(kept[0]?.leaf)}`,
    );
    const body = JSON.parse(
      Buffer.from(
        String((document?.body as Buffer | undefined)?.toString()).split('.')[1] ?? '',
        'base64url',
      ).toString(),
    ) as object;
    expect(body).toMatchObject({ typ: 'suspension', statement: kept[0]?.statement });
  });
});

it('a row that only the database vouches for neither suspends a member nor takes that back', async () => {
  const status = async (): Promise<number> => {
    const open = session(c, b);
    const found = await open.status(`/mirror/${originHash(c.origin)}/status`);
    open.end();
    return found;
  };
  const insert = (verb: string, leaf: number): Promise<unknown> => {
    const name = `${b.origin}/witness`;
    const forged = signSuspension(
      { subject: c.origin, issued: Date.now(), suspended: verb === 'suspend' },
      { ...noteSigner(name), name },
    );
    return rowsOf(b.database.config, `insert into suspension_statement values (${leaf}, '${forged}')`);
  };
  // By the account of the gateway itself, in the place of a document that exists and of one that does not.
  await insert('suspend', 0);
  await insert('suspend', 1_000_000);
  expect(await status()).toBe(200);
  expect(await runInProcess(suspend, [c.origin], network.environment(b))).toMatchObject({ code: 0 });
  expect(await status()).toBe(403);
  await insert('restore', 1_000_001);
  expect(await status()).toBe(403);
  expect(await runInProcess(unsuspend, [c.origin], network.environment(b))).toMatchObject({ code: 0 });
  expect(await status()).toBe(200);
  await b.database.tamper(`delete from suspension_statement where leaf in (0, 1000000, 1000001)`);
});

describe('checkpoints of others', () => {
  const depsOf = (member: Member): Parameters<typeof anchorPeerCheckpoints>[0] => {
    const pool = poolOf(member.database);
    const { keys, origin } = member;
    const anchor = anchorNotices(documentSigner(keys.sign), (item) =>
      commitAlone(commitStore(pool), keys, origin, item),
    );
    const size = async (): Promise<number> => (await ownLog(pool).latest())?.size ?? 0;
    return { store: peerCheckpointStore(pool), anchor, isReady: () => true, size, log: silentLog };
  };

  it('are anchored, the newest of each log; logs that watch each other do not grow by it for ever', async () => {
    const deps = depsOf(a);
    for (const member of [b, c]) await settled(member);
    expect(await anchorPeerCheckpoints(deps, true)).toBe(2);
    const anchored = await deps.store.anchored();
    expect(anchored.map(({ origin }) => origin).toSorted()).toEqual([b.origin, c.origin]);
    expect(await anchorPeerCheckpoints(deps, true)).toBe(0);
    await settled(a);
    const other = depsOf(b);
    const follower = startPeerCheckpoints(other, 20);
    const anchorings = async (): Promise<number> => (await other.store.anchored()).length;
    await eventually(async () => ((await anchorings()) >= 2 ? true : undefined));
    // a grows, and both of its witnesses know; b has said nothing of its own since, and keeps silent.
    for (let round = 0; round < 3; round += 1) {
      await sendHl7(a, [Buffer.from(sampleOru(10 + round))]);
      await anchorPeerCheckpoints(deps, true);
      await settled(a);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    expect(await anchorings()).toBe(2);
    await sendHl7(b, [Buffer.from(sampleOru(2))]);
    await eventually(async () => ((await anchorings()) > 2 ? true : undefined));
    await follower.close();
  });

  it('that contradict each other are anchored as they are found', async () => {
    const size = await settled(a);
    const fork = signCheckpoint(a.origin, size, Buffer.alloc(32, 7), { name: a.origin, ...a.keys.log });
    const body = encodeAddCheckpoint(size, [], fork);
    expect((await fetch(`${b.url}/witness/add-checkpoint`, { method: 'POST', body })).status).toBe(422);
    const { store } = depsOf(b);
    const found = await eventually(async () => (await store.anchored()).find(({ second }) => second !== undefined));
    expect([found.origin, found.size, found.second]).toEqual([a.origin, size, fork]);
  });
});

describe('a rebuild', () => {
  it('derives statements, checkpoints and evidence from the ledger, and the witness never goes back', async () => {
    await network.stop(b);
    const target = await createTestDatabase();
    const env = network.environment(b);
    expect((await runInProcess(verify, [], env)).code).toBe(0);
    const built = await runInProcess(rebuild, ['--into', connectionUrl(target.admin)], env);
    expect([built.code, built.err]).toEqual([0, '']);
    for (const text of [
      'select * from suspension_statement order by leaf',
      'select * from peer_checkpoint order by leaf',
      'select role, origin, size, root, note, frozen from accepted_checkpoint order by role, origin',
      'select origin, size, found_at, first_note, second_note from equivocation order by id',
    ]) {
      expect(await rowsOf(target.admin, text), text).toEqual(await rowsOf(b.database.admin, text));
    }
    // With nothing to carry over, as after a restore from mirrors.
    const client = new pg.Client(target.admin);
    await client.connect();
    await client.query('delete from accepted_checkpoint; delete from equivocation');
    await client.end();
    await applyPeerCheckpoints(poolOf({ config: target.admin }));
    const [state] = await rowsOf(
      target.admin,
      `select size, frozen from accepted_checkpoint where role = 'witness' and origin = '${a.origin}'`,
    );
    expect(Number(state?.size)).toBeGreaterThan(0);
    expect(state?.frozen).toBe(true);
    expect(await rowsOf(target.admin, 'select 1 from equivocation')).toHaveLength(1);
    await target.drop();
  });
});
