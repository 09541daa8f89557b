/**
 * The network side of the gateway: witness and mirror for others, the replicator of the own log, the release gate, member
 * tokens and suspensions. All of it follows from the policy file; without one the gateway stands alone and knows nobody.
 */
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { peerHttp } from '../clients/peer-http.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { GatewayMetrics } from '../edge/http/metrics.ts';
import { replicationMetrics } from '../edge/http/replication-metrics.ts';
import type { KeySet } from '../keys/key-set.ts';
import { KEY_ED25519, verifierKey, type NoteSigner } from '../ledger/note.ts';
import { MIRRORS, NO_QUORUM, type Policy } from '../ledger/policy.ts';
import { rangeRoots } from '../ledger/tree-range.ts';
import type { BlobStore } from '../record/blob-store.ts';
import { documentSigner } from '../record/document.ts';
import type { Equivocation } from '../replication/accept-checkpoint.ts';
import { dataStream } from '../replication/frames.ts';
import { guardRoles } from '../replication/guard-roles.ts';
import { createLevels } from '../replication/levels.ts';
import { ownMember, peerAuthenticator } from '../replication/member.ts';
import { createMirror } from '../replication/mirror.ts';
import { mirroredSize, type Level, type Published } from '../replication/own-log.ts';
import { createWitness } from '../replication/witness.ts';
import { anchorNotices, holdsStatement } from '../replication/anchor-notices.ts';
import { openReleaseGate, type ReleaseGate } from '../replication/release-gate.ts';
import { askRestoreRule } from '../replication/restore-rule.ts';
import { openSuspensions } from '../replication/suspensions.ts';
import { changingTrust, trustOf, type Trust } from '../replication/trust.ts';
import type { PeerServices } from '../services/peer-services.ts';
import { openBlobUploads } from '../storage/blobs/uploads.ts';
import { checkpointStore } from '../storage/pg/checkpoint-store.ts';
import { databaseIdentity } from '../storage/pg/database-identity.ts';
import { mirrorRows, mirrorStore } from '../storage/pg/mirror-store.ts';
import { ownLog } from '../storage/pg/own-log.ts';
import type { Pool } from '../storage/pg/pool.ts';
import { suspensionStore } from '../storage/pg/notice-store.ts';
import { memberStore, signatureStore } from '../storage/pg/signature-store.ts';
import { frozenOriginsAlarm } from './frozen-origins.ts';
import { mirroredLogs } from './mirrored-logs.ts';
import { followPolicyFile } from './policy-file.ts';
import { pullObjection, startPull } from './pull.ts';
import { startReplication, type Replication } from './replication.ts';
import type { GroupCommitter } from '../write/group-commit.ts';
import type { Teardown } from './teardown.ts';

/** Milliseconds that one exchange with a peer may take. */
const PEER_DEADLINE_MS = 30_000;
/** Milliseconds that a peer has to answer the restore rule, and after which too few answers are asked again. */
const RULE_DEADLINE_MS = 5_000;
const RULE_AGAIN_MS = 2_000;
/** How often a process looks whether its database is still the one it was, milliseconds. */
const WATCH_MS = 1_000;
/** How often a process looks at what others of this gateway have learnt, milliseconds. */
const REFRESH_MS = 1_000;

export interface Network {
  readonly peers: PeerServices;
  readonly gate: ReleaseGate;
  /** The checkpoint that has its quorum; undefined where nothing was published yet, or nobody is asked. */
  readonly published: () => Promise<Published | undefined>;
  /** From here on documents of the network can be anchored. */
  readonly commitBy: (committer: Pick<GroupCommitter, 'commit'>) => void;
  /** A commit has made the log this long. */
  readonly onCommitted: (size: number) => void;
}

export interface NetworkParts {
  readonly config: Config;
  readonly keys: KeySet;
  readonly pool: Pool;
  readonly blobs: BlobStore;
  readonly hasRoom: () => boolean;
  readonly metrics: GatewayMetrics;
  readonly log: Log;
  readonly teardown: Teardown;
}

/** Names and keys under which this gateway signs for others. */
export function cosigners(origin: string, keys: KeySet): { readonly witness: NoteSigner; readonly mirror: NoteSigner } {
  return {
    witness: { name: `${origin}/witness`, ...keys.witness },
    mirror: { name: `${origin}/mirror`, ...keys.mirror },
  };
}

/** Keeps the restore rule before it resolves. Throws `integrity` when the database was rolled back. */
export async function openNetwork(parts: NetworkParts): Promise<Network> {
  const { config, keys, pool, blobs, metrics, log, teardown } = parts;
  const { origin } = config;
  let policyCounts = true;
  const file = followPolicyFile({
    config,
    objection: (changed) => pullObjection(config, changed),
    onValid: (valid) => (policyCounts = valid),
    log,
    teardown,
  });
  const policy = file.current;
  const http = peerHttp(config.peerCa === undefined ? {} : { ca: config.peerCa });
  teardown.add('peers', async () => http.close());
  const logSigner: NoteSigner = { name: origin, ...keys.log };
  const logKey = verifierKey(origin, KEY_ED25519, keys.log.rawPublicKey);
  const own = ownLog(pool);
  const gate = await openReleaseGate({
    // Without what is remembered of the tree: it may be of another database than the one that answers now.
    ask: () => askRestoreRule({ policy: policy(), http, log: ownLog(pool), logKey, deadlineMs: RULE_DEADLINE_MS }),
    identity: () => databaseIdentity(pool),
    head: () => own.latest(),
    rootAt: async (size) => (await rangeRoots(ownLog(pool).hashes(size), [{ start: 0, end: size }]))[0],
    log,
    againMs: RULE_AGAIN_MS,
    watchMs: WATCH_MS,
  });
  teardown.add('release-gate', async () => gate.close());

  const levels = createLevels(systemClock, () => possibleLevels(policy()));
  const measured = replicationMetrics(metrics.registry, levels, {
    released: () => gate.state() === 'open',
    policyCounts: () => policyCounts,
  });
  const signers = cosigners(origin, keys);
  let committer: Pick<GroupCommitter, 'commit'> | undefined;
  const anchor = anchorNotices(documentSigner(keys.sign), async (item) => {
    if (committer === undefined) throw new GatewayError('unavailable', 'the gateway is starting: try again');
    return committer.commit(item);
  });
  const suspensions = await openSuspensions({
    policy,
    store: suspensionStore(pool, (statement) => anchor({ kind: 'suspension', statement })),
    clock: systemClock,
    signer: signers.witness,
    isAnchored: holdsStatement(keys),
    onChange(suspended) {
      measured.suspended(suspended.size);
      log.warn({ event: 'suspensions-changed', count: suspended.size });
    },
  });
  const trusted = (): Trust =>
    trustOf(
      policy(),
      (name) => suspensions.has(name),
      (name) => suspensions.hasNow(name),
    );
  let trust = trusted();
  const trustNow = changingTrust(() => trust);
  let replication: Replication | undefined;
  const onEquivocation = (found: Equivocation): void => {
    measured.equivocation();
    log.error({ event: 'equivocation', source: found.origin, size: found.size });
    replication?.wakeNotices();
  };
  const roles = { trust: trustNow, clock: systemClock, onEquivocation };
  const witness = createWitness({ ...roles, store: checkpointStore(pool, 'witness'), signer: signers.witness });
  const store = mirrorStore(pool);
  const mirror = createMirror({
    ...roles,
    pending: checkpointStore(pool, 'mirror'),
    store,
    rows: (id) => mirrorRows(pool, id),
    blobs,
    uploads: await openBlobUploads(join(config.dataDir, 'uploads')),
    keepsBlobs: config.mirrorBlobs,
    quotaBytes: config.mirrorMaxBytes,
    hasRoom: parts.hasRoom,
    signer: signers.mirror,
  });
  const member = ownMember({ origin, signKey: keys.sign, log: logSigner, clock: systemClock });
  const guarded = guardRoles({ witness, mirror }, () => gate.checkIntake());
  const pull = startPull({
    config,
    policy,
    trust: trustNow,
    http,
    pool,
    member,
    log,
    teardown,
    mirror: guarded.mirror,
    deadlineMs: PEER_DEADLINE_MS,
    onPulled: (from, ok, size) => measured.pulled(from, ok, size),
  });
  const signatures = signatureStore(pool);

  replication =
    config.ledgerPolicyFile === undefined
      ? undefined
      : startReplication({
          ...parts,
          policy,
          http,
          own,
          signatures,
          member,
          anchor,
          isReady: () => committer !== undefined && gate.state() !== 'rolled-back',
          mayRelease: () => gate.check(),
          clock: systemClock,
          deadlineMs: PEER_DEADLINE_MS,
          onLevels: (sizes) => levels.update(sizes),
          onPeer: (peer, ok, behind) => measured.peer(peer, ok, behind),
          onContradicted: () => gate.doubt(),
        });
  file.onChange((changed) => {
    trust = trusted();
    measured.forgetPeers();
    replication?.setPolicy(changed);
    pull.restart();
    // Whoever is new may have seen more of the own log than this database has.
    gate.doubt();
  });
  const learn = async (): Promise<void> => {
    const [latest, kept] = [await own.latest(), await signatures.load()];
    const mirroredTo = mirroredSize(policy(), kept, config.mirrorBlobs);
    levels.update({ durable: latest?.size ?? 0, mirrored: mirroredTo, witnessed: kept.published?.size ?? 0 });
  };
  await learn();
  const lookForFrozen = frozenOriginsAlarm({ pool, log, onCount: (count) => measured.frozen(count) });
  await lookForFrozen();
  const refresh = setInterval(() => {
    void suspensions.refresh().catch(() => {});
    void lookForFrozen().catch(() => {});
    if (replication?.leads() !== true) void learn().catch(() => {});
  }, REFRESH_MS).unref();
  teardown.add('refresh', async () => clearInterval(refresh));

  return {
    gate,
    published: async () => {
      await gate.check();
      return policy().witnesses.size === 0 ? undefined : (await signatures.load()).published;
    },
    commitBy(opened) {
      committer = opened;
      replication?.wakeNotices();
    },
    onCommitted(size) {
      levels.update({ durable: size });
      replication?.wake();
    },
    peers: {
      ...guarded,
      mirrored: mirroredLogs(pool, trustNow),
      ownData: (range) => gated(gate, () => dataStream(own, range)),
      member: member.note,
      authenticate: peerAuthenticator({ origin, trust: trustNow, members: memberStore(pool), clock: systemClock }),
      blobs,
      levels,
      suspensions,
    },
  };
}

function possibleLevels(policy: Policy): ReadonlySet<Level> {
  return new Set<Level>([
    'durable',
    ...(policy.groups.has(MIRRORS) ? (['mirrored'] as const) : []),
    ...(policy.quorum === NO_QUORUM ? [] : (['witnessed'] as const)),
  ]);
}

async function* gated(gate: ReleaseGate, open: () => AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  await gate.check();
  yield* open();
}
