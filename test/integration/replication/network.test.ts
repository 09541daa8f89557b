/** Three gateways in one process: every message of one reaches `mirrored` and `witnessed`; what is mirrored is byte for byte what was written. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleOru } from '../../../src/cli/samples/hl7v2.ts';
import { cosigners } from '../../../src/app/network.ts';
import { parseCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { cosignerKey } from '../../../src/ledger/cosignature.ts';
import { KEY_ED25519, verifierKey, verifyNote } from '../../../src/ledger/note.ts';
import { originHash } from '../../../src/replication/trust.ts';
import {
  createNetwork,
  eventually,
  practitionerToken,
  sendHl7,
  type Member,
  type TestNetwork,
} from '../../support/network.ts';
import { rowsOf } from '../../support/postgres.ts';

const labReport = (n: number): Buffer => Buffer.from(sampleOru(n));

let network: TestNetwork;
let a: Member;
let b: Member;
let c: Member;

beforeAll(async () => {
  network = await createNetwork(3);
  [a, b, c] = network.members as [Member, Member, Member];
  for (const member of network.members) await network.start(member);
}, 120_000);
afterAll(() => network.close());

interface LevelAnswer {
  readonly sizes: { readonly durable: number; readonly mirrored: number; readonly witnessed: number };
}

const levels = async (member: Member): Promise<LevelAnswer> =>
  (await (await fetch(`${member.url}/ledger/levels`)).json()) as LevelAnswer;

async function witnessed(member: Member, size?: number): Promise<LevelAnswer> {
  return eventually(
    async () => {
      const found = await levels(member);
      const { durable, witnessed: done } = found.sizes;
      return done >= (size ?? durable) ? found : undefined;
    },
    () => JSON.stringify(member.events.slice(-5)),
  );
}

const rows = (member: Member, text: string, values?: unknown[]): Promise<Record<string, unknown>[]> =>
  rowsOf(member.database.config, text, values);

describe('three gateways', () => {
  it('bring every message to `witnessed`, with all signatures under the published checkpoint', async () => {
    await sendHl7(
      a,
      Array.from({ length: 20 }, (_, i) => labReport(i)),
    );
    const { sizes } = await witnessed(a);
    expect(sizes.mirrored).toBeGreaterThanOrEqual(sizes.witnessed);
    const published = parseCheckpoint(await (await fetch(`${a.url}/ledger/checkpoint`)).text());
    const keys = [
      verifierKey(a.origin, KEY_ED25519, a.keys.log.rawPublicKey),
      ...[b, c].flatMap(({ origin, keys: set }) => Object.values(cosigners(origin, set)).map(cosignerKey)),
    ];
    expect(published && verifyNote(published.note, keys)?.length).toBeGreaterThanOrEqual(3);
    expect(published?.checkpoint.size).toBe(sizes.durable);
  });

  it('mirror documents, payloads, blocks and tiles byte for byte', async () => {
    await sendHl7(
      a,
      Array.from({ length: 60 }, (_, i) => labReport(100 + i)),
    );
    await witnessed(a);
    const own = await rows(a, 'select leaf, body from document order by leaf');
    for (const mirror of [b, c]) {
      const hash = originHash(a.origin);
      // A mirror that was not needed for the quorum may still be on its way.
      const log = await eventually(async () => {
        const [row] = await rows(mirror, 'select log, held, size from mirror_log where origin = $1', [a.origin]);
        return Number(row?.held) === own.length && Number(row?.size) === own.length ? row?.log : undefined;
      });
      expect(await rows(mirror, 'select leaf, body from mirror_document where log = $1 order by leaf', [log])).toEqual(
        own,
      );
      expect(
        await rows(mirror, 'select grp, digest, size, body from mirror_payload where log = $1 order by grp', [log]),
      ).toEqual(await rows(a, 'select grp, digest, size, body from payload order by grp'));
      const block = 'number, first_leaf, size, root, checkpoint, prev';
      expect(await rows(mirror, `select ${block} from mirror_block where log = $1 order by number`, [log])).toEqual(
        await rows(a, `select ${block} from block order by number`),
      );
      const tile = `tile/0/000${own.length >= 256 ? '' : `.p/${own.length}`}`;
      const read = async (url: string): Promise<Buffer> => Buffer.from(await (await fetch(url)).arrayBuffer());
      expect(await read(`${mirror.url}/mirror/${hash}/${tile}`)).toEqual(await read(`${a.url}/ledger/${tile}`));
      const entries = tile.replace('/0/', '/entries/');
      expect(await read(`${mirror.url}/mirror/${hash}/${entries}`)).toEqual(await read(`${a.url}/ledger/${entries}`));
    }
  });

  it('show the level of a record, and wait for the one that a write prefers', async () => {
    const headers = {
      authorization: `Bearer ${await practitionerToken(a)}`,
      'content-type': 'application/fhir+json',
      prefer: 'ledger=witnessed, wait=20',
    };
    const body = JSON.stringify({ resourceType: 'Patient', name: [{ family: 'Netz' }] });
    const post = (prefer: string): Promise<Response> =>
      fetch(`${a.url}/fhir/Patient`, { method: 'POST', headers: { ...headers, prefer }, body });
    const made = await post('ledger=witnessed, wait=20');
    expect([made.status, made.headers.get('anamnesis-level')]).toEqual([201, 'witnessed']);
    expect(made.headers.get('preference-applied')).toBe('ledger=witnessed');
    const hasty = await post('return=minimal; ledger=witnessed; wait=0');
    expect([hasty.status, hasty.headers.get('preference-applied')]).toEqual([201, null]);
    expect((await post('ledger=certain')).status).toBe(400);
    const leaf = made.headers.get('anamnesis-leaf');
    const shown = await (await fetch(`${a.url}/ledger/levels?leaf=${leaf}`)).json();
    expect(shown).toMatchObject({ level: 'witnessed' });
    expect((await fetch(`${a.url}/ledger/levels?leaf=999999`)).status).toBe(404);
    const metrics = async (): Promise<string> => (await fetch(`${a.url}/metrics`)).text();
    expect(await metrics()).toMatch(/anamnesis_ledger_level_leaves\{level="witnessed"\} [1-9]/);
    // One witness is enough: the other may be slower.
    await eventually(
      async () => ((await metrics()).includes('anamnesis_peer_up{peer="hospital-2-witness"} 1') ? true : undefined),
      () => 'hospital-2-witness is not up',
    );
  });

  it('give documents to members only', async () => {
    const hash = originHash(a.origin);
    for (const path of [
      `/mirror/${hash}/data?from=0&block=0`,
      `/mirror/${hash}/status`,
      `/mirror/${hash}/blob/${'0'.repeat(64)}`,
    ]) {
      expect((await fetch(b.url + path)).status).toBe(401);
    }
    expect((await fetch(`${a.url}/ledger/data?from=0&block=0`)).status).toBe(401);
  });

  it('go on while one of them is away, and bring it up to date when it is back', async () => {
    await network.stop(c);
    await sendHl7(
      a,
      Array.from({ length: 30 }, (_, i) => labReport(200 + i)),
    );
    const { sizes } = await witnessed(a);
    await network.start(c);
    await eventually(async () => {
      const [row] = await rows(c, 'select held, size from mirror_log where origin = $1', [a.origin]);
      return Number(row?.held) >= sizes.durable ? true : undefined;
    });
  });
});
