/**
 * Replication of the own log, in the process that leads: the replicator asks mirrors and witnesses of the policy for their signatures,
 * and what the own witness has accepted of others is anchored. Follows the policy while it runs.
 */
import { startPeerCheckpoints, type PeerCheckpoints } from '../followers/peer-checkpoints.ts';
import type { Policy, PolicyWitness } from '../ledger/policy.ts';
import { MirrorClient, WitnessClient, type CosignerClientDeps } from '../replication/cosigner-client.ts';
import type { OwnMember } from '../replication/member.ts';
import type { OwnLog, SignatureStore } from '../replication/own-log.ts';
import type { PeerHttp } from '../replication/peer-ports.ts';
import { startReplicator, type Replicator, type ReplicatorDeps } from '../replication/replicator.ts';
import { blobBytes } from '../services/peer-services.ts';
import { seekLeadership } from '../storage/pg/leader.ts';
import { peerCheckpointStore } from '../storage/pg/notice-store.ts';
import type { NetworkParts } from './network.ts';

/** How often what the witness has accepted of others is anchored, milliseconds. */
const PEER_CHECKPOINTS_MS = 10 * 60_000;

export interface ReplicationParts
  extends
    Pick<NetworkParts, 'config' | 'pool' | 'blobs' | 'log' | 'teardown'>,
    Pick<ReplicatorDeps, 'mayRelease' | 'clock' | 'onLevels' | 'onPeer' | 'onContradicted'> {
  readonly policy: () => Policy;
  readonly http: PeerHttp;
  readonly own: OwnLog;
  readonly signatures: SignatureStore;
  readonly member: Pick<OwnMember, 'token'>;
  /** Anchors a document of the network. */
  readonly anchor: Parameters<typeof startPeerCheckpoints>[0]['anchor'];
  /** True when documents can be anchored. */
  readonly isReady: () => boolean;
  /** Milliseconds that one exchange with a peer may take. */
  readonly deadlineMs: number;
}

export interface Replication {
  /** True in the process that replicates. */
  readonly leads: () => boolean;
  /** A commit has made the log longer. */
  wake(): void;
  /** There may be something to anchor. */
  wakeNotices(): void;
  setPolicy(policy: Policy): void;
}

/** Begins to seek the lead. The teardown ends it. */
export function startReplication(parts: ReplicationParts): Replication {
  const { config, pool, own, http, blobs, log, member, deadlineMs } = parts;
  let replicator: Replicator | undefined;
  let notices: PeerCheckpoints | undefined;
  const clientOf = (cosigner: PolicyWitness): CosignerClientDeps => ({
    http,
    log: own,
    origin: config.origin,
    url: cosigner.url ?? '',
    key: cosigner.key,
    deadlineMs,
  });
  const mirrorOf = (cosigner: PolicyWitness): MirrorClient =>
    new MirrorClient({
      ...clientOf(cosigner),
      authorization: () => member.token(audienceOf(cosigner)),
      readBlob: (digest, from, to) => blobBytes(blobs, digest, from, to),
      sendsBlobs: config.mirrorBlobs,
    });
  const leadership = seekLeadership(pool, () => {
    replicator = startReplicator({
      ...parts,
      policy: parts.policy(),
      log: own,
      mirror: mirrorOf,
      witness: (cosigner) => new WitnessClient(clientOf(cosigner)),
      withBlobs: config.mirrorBlobs,
      logger: log,
    });
    notices = startPeerCheckpoints(
      {
        store: peerCheckpointStore(pool),
        anchor: parts.anchor,
        isReady: parts.isReady,
        size: async () => (await own.latest())?.size ?? 0,
        log,
      },
      PEER_CHECKPOINTS_MS,
    );
    return async () => {
      await Promise.all([replicator?.close(), notices?.close()]);
      replicator = undefined;
      notices = undefined;
    };
  });
  parts.teardown.add('replication', () => leadership.close());
  return {
    leads: () => replicator !== undefined,
    wake: () => replicator?.wake(),
    wakeNotices: () => notices?.wake(),
    setPolicy: (policy) => replicator?.setPolicy(policy),
  };
}

/** The gateway behind a cosigner: its key's name without the role. */
function audienceOf({ key }: PolicyWitness): string {
  return key.name.replace(/\/(mirror|witness)$/, '');
}
