/**
 * Large images go to a mirror over links that break and under deadlines that are too short for them: each upload goes on where it
 * was, and a mirror's quota counts them.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { SAMPLE_CT, sampleCtFile } from '../../../src/cli/samples/dicom.ts';
import { sendDicom } from '../../../src/cli/send-dicom.ts';
import { createNetwork, eventually, type Member, type TestNetwork } from '../../support/network.ts';
import { rowsOf } from '../../support/postgres.ts';

const folder = mkdtempSync(join(tmpdir(), 'anamnesis-blobs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** 16 bits a pixel: 32 MiB. */
const PIXELS = 4096;
const MEBIBYTE = 1024 * 1024;

let network: TestNetwork;
let a: Member;
let b: Member;

beforeEach(async () => {
  network = await createNetwork(2);
  [a, b] = network.members as [Member, Member];
}, 120_000);
afterEach(() => network.close());

async function sendImage(member: Member, pixels = PIXELS): Promise<void> {
  const path = join(folder, 'image.dcm');
  writeFileSync(path, sampleCtFile({ ...SAMPLE_CT, sopInstanceUid: `${SAMPLE_CT.sopInstanceUid}.${pixels}`, pixels }));
  const [host = '', port = ''] = member.gateway?.addresses.dicom.split(':') ?? [];
  const peer = { host, port: Number(port), calledAe: member.config.aeTitle, callingAe: 'TEST', timeoutMs: 60_000 };
  for await (const { accepted } of sendDicom(peer, [path])) expect(accepted).toBe(true);
}

const rows = (member: Member, text: string, values?: unknown[]): Promise<Record<string, unknown>[]> =>
  rowsOf(member.database.config, text, values);

async function mirrored(member: Member): Promise<true> {
  return eventually(
    async () => {
      const { sizes } = (await (await fetch(`${member.url}/ledger/levels`)).json()) as {
        sizes: { durable: number; mirrored: number };
      };
      return sizes.mirrored >= sizes.durable ? true : undefined;
    },
    () => JSON.stringify(member.events.slice(-5)),
    60_000,
  );
}

it('an upload over a link that breaks goes on where it was', async () => {
  await network.start(a);
  await network.start(b);
  const target = b.link.target;
  b.link.sendBudget = 11 * MEBIBYTE;
  await sendImage(a);
  let cuts = 0;
  while (cuts < 3) {
    await eventually(() => (b.link.target === undefined ? true : undefined));
    cuts += 1;
    b.link.sendBudget = cuts === 3 ? undefined : 8 * MEBIBYTE;
    b.link.target = target;
  }
  await mirrored(a);
  // Each cut costs what was under way in the sockets, not what had come: from the start again it would be 59.
  expect(b.link.sent).toBeGreaterThan(32 * MEBIBYTE);
  expect(b.link.sent).toBeLessThan(56 * MEBIBYTE);
  const [{ digest }] = (await rows(a, 'select digest from payload where body is null')) as [{ digest: Buffer }];
  const read = (member: Member): Buffer => {
    const hex = digest.toString('hex');
    return readFileSync(join(member.dataDir, 'blobs', hex.slice(0, 2), hex.slice(2)));
  };
  expect(read(b).equals(read(a))).toBe(true);
  const [log] = await rows(b, 'select bytes from mirror_log');
  expect(Number(log?.bytes)).toBeGreaterThan(32 * MEBIBYTE);
}, 120_000);

it('the deadline of a request is none of a blob', async () => {
  await network.start(a);
  // A slow mirror that hears nobody out for longer than a second.
  await network.start(b, b.database, { REQUEST_DEADLINE_MS: '1000' });
  b.link.rate = 6 * MEBIBYTE;
  await sendImage(a);
  await mirrored(a);
  expect(b.link.sent).toBeLessThan(56 * MEBIBYTE);
  expect(a.events.some(({ code }) => code === 'storage-full')).toBe(false);
}, 120_000);

it('a mirror that keeps no more for this log says so, and the origin goes on without it', async () => {
  await network.start(a);
  await network.start(b, b.database, { MIRROR_MAX_BYTES: String(8 * MEBIBYTE) });
  await sendImage(a);
  await eventually(() => a.events.find(({ code }) => code === 'storage-full'));
  // Nothing of it was taken: neither rows nor files grow with what does not fit.
  expect(b.link.sent).toBeLessThan(20 * MEBIBYTE);
  expect(Number((await rows(b, 'select bytes from mirror_log'))[0]?.bytes)).toBeLessThan(8 * MEBIBYTE);
  await sendImage(a, 16);
  expect(Number((await rows(a, 'select count(*) as n from payload where body is null'))[0]?.n)).toBe(2);
}, 120_000);
