/**
 * The disk of a gateway runs full while it takes messages and mirrors another's log: with real ENOSPC under Postgres and the
 * blob store, on a small file system. Nothing is acknowledged that is not there; when there is room again it goes on by itself.
 * Needs root for the mount; where that cannot be had, `disk-floor.test.ts` still holds the floor.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { peerHttp } from '../../src/clients/peer-http.ts';
import { connectMllp } from '../../src/clients/mllp.ts';
import { sampleOru } from '../../src/cli/samples/hl7v2.ts';
import { asGatewayError, GatewayError } from '../../src/core/errors.ts';
import { formatVkey, parseVkey } from '../../src/ledger/note.ts';
import { MirrorClient, type Target } from '../../src/replication/cosigner-client.ts';
import { originHash } from '../../src/replication/trust.ts';
import { runCommand, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';
import { memberToken, PEER_ORIGIN } from '../support/peer-gateway.ts';
import { openPeerOrigin, type PeerOrigin } from '../support/peer-origin.ts';
import { openSmallDisk } from '../support/small-disk.ts';
import { LONG } from './scale.ts';

const disk = openSmallDisk(400);
if (disk === undefined) console.log('disk-full: skipped, no small file system can be mounted here');
let gateway: GatewayProcess | undefined;
let origin: PeerOrigin | undefined;
const http = peerHttp();
afterAll(async () => {
  await gateway?.stop();
  await origin?.close();
  http.close();
  disk?.close();
});

it.skipIf(disk === undefined)(
  'a full disk loses nothing, at the origin and at the mirror',
  { timeout: 300_000 },
  async () => {
    if (disk === undefined) return;
    origin = await openPeerOrigin();
    const log = origin;
    const dataDir = join(disk.path, 'data');
    mkdirSync(dataDir);
    const policy = join(disk.path, 'policy');
    writeFileSync(policy, `log ${formatVkey(log.key)}\nquorum none\n`);
    const env = { FREE_DISK_FLOOR_BYTES: '0', GATEWAY_ORIGIN: PEER_ORIGIN, LEDGER_POLICY_FILE: policy };
    const running = (gateway = await startGatewayProcess({ dataDir, env }));
    const key = parseVkey((await (await fetch(`${running.http}/mirror/vkey`)).text()).trim());
    if (key === undefined) throw new Error('no key of the mirror');
    const client = new MirrorClient({
      http,
      key,
      log: log.log,
      origin: log.key.name,
      url: `${running.http}/mirror`,
      deadlineMs: 20_000,
      authorization: () => memberToken(log.signer, log.writer.keys.sign),
      readBlob: async function* (digest, from, to) {
        yield (log.blobs.get(digest.toString('hex')) ?? Buffer.alloc(0)).subarray(from, to);
      },
      sendsBlobs: true,
    });

    const acknowledged = new Map<number, string>();
    let sent = 0;
    /** What becomes of one message: acknowledged, refused with a word about the disk, or not answered. */
    const send = async (n: number): Promise<'taken' | 'refused' | 'silent'> => {
      try {
        const connection = await connectMllp({ ...running.mllp, timeoutMs: 20_000 });
        try {
          const answer = (await connection.send(Buffer.from(sampleOru(n)))).toString();
          if (/\rMSA\|A[AC]\|/.test(answer)) {
            const before = acknowledged.get(n);
            if (before !== undefined) expect(answer).toBe(before);
            acknowledged.set(n, answer);
            return 'taken';
          }
          expect(answer).toMatch(/\rMSA\|AE\|/);
          return 'refused';
        } finally {
          connection.close();
        }
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(GatewayError);
        return 'silent';
      }
    };
    let mirrored = 0;
    const bring = async (target: Target): Promise<string> => {
      try {
        const { receipt } = await client.bring(target);
        mirrored = Math.max(mirrored, receipt?.size ?? 0);
        return 'taken';
      } catch (thrown) {
        return asGatewayError(thrown).code;
      }
    };

    expect(await send((sent += 1))).toBe('taken');
    expect(await bring(await log.grow(2, 50_000))).toBe('taken');
    for (let round = 0; round < (LONG ? 6 : 2); round += 1) {
      // No floor holds it: a little is left, and whoever writes runs into the end of it.
      disk.fill(round % 2 === 0 ? 600_000 : 50_000);
      const codes = new Set<string>();
      const outcomes = new Set<string>();
      for (let i = 0; i < 400 && !(outcomes.has('refused') || outcomes.has('silent')); i += 1) {
        outcomes.add(await send((sent += 1)));
      }
      for (let i = 0; i < 12 && !codes.has('storage-full'); i += 1) codes.add(await bring(await log.grow(4, 400_000)));
      expect([...outcomes], 'intake').toEqual(expect.arrayContaining([expect.stringMatching(/refused|silent/)]));
      expect(
        [...codes].some((code) => code === 'storage-full' || code === 'unavailable'),
        [...codes].join(),
      ).toBe(true);

      disk.empty();
      // By itself: a server that died of it is started again.
      await expect.poll(() => send((sent += 1)), { timeout: 60_000, interval: 500 }).toBe('taken');
      const target = await log.latest();
      await expect.poll(() => bring(target), { timeout: 60_000, interval: 500 }).toBe('taken');
      expect(mirrored).toBe(target.size);
    }
    // Everything acknowledged answers a resend with the same bytes, and the rest is taken now.
    for (let n = 1; n <= sent; n += 1) expect(await send(n)).toBe('taken');
    const status = await fetch(`${running.http}/mirror/${originHash(log.key.name)}/status`, {
      headers: { authorization: memberToken(log.signer, log.writer.keys.sign) },
    });
    expect(await status.json()).toMatchObject({ held: mirrored, blobs: mirrored, missing: [] });
    expect(await running.stop()).toBe(0);
    gateway = undefined;
    const verified = await runCommand(['verify'], { dataDir, env });
    expect(verified.stdout).toContain('nothing is wrong');
  },
);
