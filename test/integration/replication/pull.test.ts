/** A gateway that pulls the log of another into its mirror by itself: over links that break, from another mirror, and no further than it may. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { sampleCtFile, sampleCtStudy } from '../../../src/cli/samples/dicom.ts';
import { sampleOru } from '../../../src/cli/samples/hl7v2.ts';
import { sendDicom } from '../../../src/cli/send-dicom.ts';
import {
  createNetwork,
  eventually,
  sendHl7,
  type Member,
  type NetworkOptions,
  type TestNetwork,
} from '../../support/network.ts';
import { rowsOf } from '../../support/postgres.ts';

const reports = (from: number, count: number): Buffer[] =>
  Array.from({ length: count }, (_, i) => Buffer.from(sampleOru(from + i)));

let network: TestNetwork | undefined;
afterEach(() => network?.close());

/** Nobody pushes: no mirrors in the policies, and one witness each. */
async function open(count: number, env: NonNullable<NetworkOptions['env']>): Promise<Member[]> {
  network = await createNetwork(count, { mirrors: 0, env });
  return [...network.members];
}

const rows = (member: Member, text: string, values?: unknown[]): Promise<Record<string, unknown>[]> =>
  rowsOf(member.database.config, text, values);

interface Held {
  readonly log: number;
  readonly held: number;
  readonly size: number;
  readonly missing: number;
}

async function held(mirror: Member, of: Member): Promise<Held | undefined> {
  const found = (await rows(
    mirror,
    `select log, held::int, size::int, (select count(*)::int from mirror_missing_blob b where b.log = m.log) as missing
       from mirror_log m where origin = $1`,
    [of.origin],
  )) as unknown as readonly Held[];
  return found[0];
}

async function expectSame(mirror: Member, of: Member): Promise<void> {
  const own = await rows(of, 'select leaf, body from document order by leaf');
  const { log } = await eventually(
    async () => {
      const now = await held(mirror, of);
      return now?.held === own.length && now.size === own.length && now.missing === 0 ? now : undefined;
    },
    () => JSON.stringify(mirror.events.slice(-5)),
  );
  expect(await rows(mirror, 'select leaf, body from mirror_document where log = $1 order by leaf', [log])).toEqual(own);
  const payload = 'grp, digest, size, body';
  expect(await rows(mirror, `select ${payload} from mirror_payload where log = $1 order by grp`, [log])).toEqual(
    await rows(of, `select ${payload} from payload order by grp`),
  );
}

async function sendStudy(member: Member): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'anamnesis-pull-'));
  const paths = sampleCtStudy(2).map((ct, i) => {
    const path = join(folder, `ct-${i}.dcm`);
    writeFileSync(path, sampleCtFile(ct));
    return path;
  });
  const [host = '', port = ''] = member.gateway?.addresses.dicom.split(':') ?? [];
  const peer = { host, port: Number(port), calledAe: member.config.aeTitle, callingAe: 'TEST', timeoutMs: 30_000 };
  for await (const { accepted } of sendDicom(peer, paths)) expect(accepted).toBe(true);
  rmSync(folder, { recursive: true });
}

describe('mirror by pull', () => {
  it('brings log, documents, payloads and blobs over a link that breaks again and again, then follows', async () => {
    const [a, b] = (await open(2, { MIRROR_PULL: 'all' })) as [Member, Member];
    await network?.start(a);
    await sendHl7(a, reports(0, 120));
    await sendStudy(a);
    const target = a.link.target;
    await network?.start(b);
    // The link gives so many bytes, then it is gone, and the peer with it, until it is mended.
    let breaks = 0;
    await eventually(
      async () => {
        if (a.link.budget === undefined || a.link.target === undefined) {
          Object.assign(a.link, { target, budget: 250_000 });
          breaks += 1;
        }
        const now = await held(b, a);
        const own = await rows(a, 'select 1 from document');
        return now !== undefined && now.held >= own.length && now.missing === 0 ? true : undefined;
      },
      () => JSON.stringify(b.events.slice(-5)),
      100_000,
    );
    Object.assign(a.link, { target, budget: undefined });
    expect(breaks).toBeGreaterThan(2);
    await expectSame(b, a);
    await sendHl7(a, reports(1000, 10));
    await expectSame(b, a);
    expect(await (await fetch(`${b.url}/metrics`)).text()).toMatch(/anamnesis_pull_up\{origin="hospital-1[^"]*"\} 1/);
    // What was pulled is proven, so that it is served as any mirrored log.
    expect(b.events.filter(({ code }) => code === 'integrity')).toEqual([]);
  }, 120_000);

  it('goes on at another mirror while the origin is away, and stops at its quota', async () => {
    network = await createNetwork(3, { env: { MIRROR_PULL: 'hospital-2.example/anamnesis' }, mirrorCount: 1 });
    // b mirrors a by upload, c pulls.
    const [b, a, c] = network.members as [Member, Member, Member];
    await network.start(b, undefined, { MIRROR_PULL: '' });
    await network.start(a, undefined, { MIRROR_PULL: '' });
    await sendHl7(a, reports(0, 30));
    await eventually(async () => {
      const now = await held(b, a);
      const own = await rows(a, 'select 1 from document');
      return now?.held === own.length && now.size === own.length ? true : undefined;
    });
    await network.stop(a);
    await network.start(c, undefined, { MIRROR_MAX_BYTES: '20000' });
    await eventually(() => (c.events.some(({ code }) => code === 'storage-full') ? true : undefined));
    expect((await held(c, a))?.held).toBe(0);
    await network.stop(c);
    await network.start(c);
    await expectSame(c, a);
  });

  it('refuses to start with an origin that the policy does not know', async () => {
    const [a] = (await open(2, { MIRROR_PULL: 'nowhere.example/anamnesis' })) as [Member];
    await expect(network?.start(a)).rejects.toThrow(/MIRROR_PULL.*nowhere/);
  });
});
