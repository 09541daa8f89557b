/**
 * `anamnesis restore`: brings a gateway back from nothing but its key file, its settings and the policy file, out of its
 * mirrors. First the log, its documents, payloads and blobs are pulled into the (empty) database as a mirror would, every
 * piece proven; then the gateway's own tables are derived from them; then the copy is dropped. Stopped at any point it goes
 * on from there when it is started again. `--furthest` takes what there is, where more was cosigned than any mirror has.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDatabase } from '../app/database.ts';
import { cosigners } from '../app/network.ts';
import { policyOf } from '../app/policy-file.ts';
import { Teardown } from '../app/teardown.ts';
import { peerHttp, type ClosablePeerHttp } from '../clients/peer-http.ts';
import type { Config } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import { silentLog } from '../core/log.ts';
import type { KeySet } from '../keys/key-set.ts';
import { KEY_ED25519, verifierKey } from '../ledger/note.ts';
import { EMPTY_POLICY, mirrorsOf, type Policy } from '../ledger/policy.ts';
import { ownMember } from '../replication/member.ts';
import { createMirror, type Mirror } from '../replication/mirror.ts';
import { pullLog, type PullProgress } from '../replication/pull.ts';
import { originHash, trustOf } from '../replication/trust.ts';
import { findSources, type LastSigned } from '../services/find-source.ts';
import { openFileBlobStore } from '../storage/blobs/fs.ts';
import { openBlobUploads } from '../storage/blobs/uploads.ts';
import { checkpointStore } from '../storage/pg/checkpoint-store.ts';
import { mirrorRows, mirrorStore } from '../storage/pg/mirror-store.ts';
import type { Pool } from '../storage/pg/pool.ts';
import { EXIT, UsageError, type CliContext, type Command } from './command.ts';
import { fillFromCopy, restorePool } from './fill-from-copy.ts';
import { keyProvider } from './keys.ts';
import { progressBar } from './progress.ts';
import { readSettings } from './settings.ts';

const DEADLINE_MS = 30_000;

export const restore: Command = async (args, context) => {
  const { values } = parseArgs({ args: [...args], options: { furthest: { type: 'boolean' } } });
  const config = readSettings(context);
  const { keySet } = await keyProvider(config).load({ create: false });
  const policy = policyOf(config);
  if (mirrorsOf(policy).length === 0) {
    throw new UsageError(
      'the policy file (LEDGER_POLICY_FILE) names no mirrors: restore from an archive with `anamnesis import FILE`',
    );
  }
  const teardown = new Teardown(silentLog);
  try {
    const database = await openDatabase(config, silentLog, teardown);
    const pool = restorePool(database, teardown);
    const http = peerHttp(config.peerCa === undefined ? {} : { ca: config.peerCa });
    teardown.add('peers', async () => http.close());
    const size = await pullFromMirrors({ config, keySet, policy, pool, http, context }, values.furthest === true);
    await fillFromCopy(config, keySet, pool, size, context);
    await learnWitnessFloors(policy, config, database.pool, http, context);
    return EXIT.ok;
  } finally {
    await teardown.close();
  }
};

interface PullParts {
  readonly config: Config;
  readonly keySet: KeySet;
  readonly policy: Policy;
  readonly pool: Pool;
  readonly http: ClosablePeerHttp;
  readonly context: CliContext;
}

/** The own log in a mirror of its own, to be filled: by a pull, or from an archive. */
export async function stagingMirror(config: Config, keySet: KeySet, pool: Pool): Promise<Mirror> {
  const key = verifierKey(config.origin, KEY_ED25519, keySet.log.rawPublicKey);
  return createMirror({
    trust: trustOf({ ...EMPTY_POLICY, logs: [{ key, url: undefined }] }, () => false),
    pending: checkpointStore(pool, 'mirror'),
    store: mirrorStore(pool),
    rows: (id) => mirrorRows(pool, id),
    blobs: await openFileBlobStore(join(config.dataDir, 'blobs')),
    uploads: await openBlobUploads(join(config.dataDir, 'uploads')),
    keepsBlobs: true,
    quotaBytes: Number.MAX_SAFE_INTEGER,
    hasRoom: () => true,
    clock: systemClock,
    signer: cosigners(config.origin, keySet).mirror,
    onEquivocation: () => {},
  });
}

/** Pulls from the furthest mirror, then from the next where that one fails. Resolves with the size that is here. */
async function pullFromMirrors(parts: PullParts, takeFurthest: boolean): Promise<number> {
  const { config, keySet, policy, pool, http, context } = parts;
  const logKey = verifierKey(config.origin, KEY_ED25519, keySet.log.rawPublicKey);
  const found = await findSources(policy, http, logKey, DEADLINE_MS);
  if (found.silent.length > 0) context.err(`no answer from ${found.silent.join(', ')}`);
  const [furthest] = found.mirrors;
  if (furthest === undefined) throw new GatewayError('not-found', 'no mirror that answers has anything of this log');
  if (furthest.size < found.cosigned) {
    const missing = `peers have cosigned ${found.cosigned} leaves, the furthest mirror that answers has ${furthest.size}`;
    if (!takeFurthest) {
      throw new GatewayError(
        'integrity',
        `${missing}: wait for the other mirrors; if none of them comes back, \`anamnesis restore --furthest\` and \`anamnesis begin-log\``,
      );
    }
    context.err(`${missing}: the gateway cannot go on with this log; \`anamnesis begin-log\` begins another`);
  }
  context.out(`restoring ${config.origin}: ${furthest.size} leaves from ${furthest.cosigner.name}`);
  const member = ownMember({
    origin: config.origin,
    signKey: keySet.sign,
    log: { name: config.origin, ...keySet.log },
    clock: systemClock,
  });
  const mirror = await stagingMirror(config, keySet, pool);
  const pull = (source: LastSigned): Promise<number> =>
    pullLog({
      http,
      url: `${source.cosigner.url ?? ''}/${originHash(config.origin)}`,
      origin: config.origin,
      logKeys: [logKey],
      authorization: () => member.token(source.cosigner.key.name.replace(/\/mirror$/, '')),
      mirror,
      pending: checkpointStore(pool, 'mirror'),
      deadlineMs: DEADLINE_MS,
      withBlobs: config.mirrorBlobs,
      progress: pullProgress(),
    });
  let failure: unknown;
  for (const source of found.mirrors) {
    // A mirror that is behind serves as long as it has what is still missing: each takes up where the last one ended.
    try {
      const size = await pull(source);
      if (size >= furthest.size) return size;
    } catch (thrown) {
      failure = thrown;
      context.err(`${source.cosigner.name}: ${asGatewayError(thrown).message}`);
    }
  }
  throw (
    failure ??
    new GatewayError('unavailable', 'the mirrors did not give all that was cosigned; start the command again')
  );
}

function pullProgress(): (progress: PullProgress) => void {
  let bar: ReturnType<typeof progressBar> | undefined;
  return ({ size, entries, documents, blobs }) => {
    bar ??= progressBar(process.stderr, 2 * size, () => systemClock.now());
    bar.update(
      entries + documents,
      blobs > 0 ? `leaves and documents; ${blobs} blobs missing` : 'leaves and documents',
    );
    if (documents === size && blobs === 0) bar.end();
  };
}

/**
 * What this gateway's witness had cosigned was in the lost database. What others have cosigned of the same logs takes its
 * place, so that none of them can be rolled back through the gap.
 */
async function learnWitnessFloors(
  policy: Policy,
  config: Config,
  pool: Pool,
  http: ClosablePeerHttp,
  context: CliContext,
): Promise<void> {
  const store = checkpointStore(pool, 'witness');
  for (const { key } of policy.logs) {
    if (key.name === config.origin) continue;
    const before = await store.load(key.name);
    const found = await findSources(policy, http, key, DEADLINE_MS);
    const known = [...found.mirrors, ...found.witnesses].toSorted((x, y) => y.size - x.size)[0];
    if (known === undefined || known.size <= before.size) continue;
    await store.advance([
      { origin: key.name, from: before, to: { size: known.size, root: known.root, note: known.checkpoint } },
    ]);
    context.out(`the witness goes on at ${known.size} leaves of ${key.name}`);
  }
}
