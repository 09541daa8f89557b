/**
 * Brings the own log to the levels of DESIGN section 11: asks the mirrors of the policy, then its witnesses, to sign the newest
 * checkpoint, and publishes it when the quorum holds. Every peer has its own loop and its own pause after a fault: a slow or
 * dead peer delays nobody else, and intake never waits for any of this. What a peer lacks is not queued: it is the log itself,
 * from the peer's own cursor on.
 *
 * All peers sign the same checkpoint, the *target*, so that their signatures stand together under one note. The target
 * moves on when it is published, or when the quorum could not be had for a while.
 */
import type { Clock } from '../core/clock.ts';
import { asGatewayError } from '../core/errors.ts';
import { describeError, type Log } from '../core/log.ts';
import { fromBase64, type VerifierKey } from '../ledger/note.ts';
import {
  isSatisfied,
  MIRRORS,
  mirrorsOf,
  NO_QUORUM,
  witnessesOf,
  type Policy,
  type PolicyWitness,
} from '../ledger/policy.ts';
import type { MirrorClient, Target, WitnessClient } from './cosigner-client.ts';
import {
  mirroredSize,
  type KeptCosignature,
  type KeptReceipt,
  type KeptSignatures,
  type LevelSizes,
  type OwnLog,
  type Published,
  type SignatureStore,
} from './own-log.ts';

export interface ReplicatorSettings {
  /** Without a wake the log is looked at this often, milliseconds: commits of other processes. */
  readonly pollMs: number;
  /** A target without a quorum is given up after this long, milliseconds. */
  readonly holdMs: number;
  /** First and longest pause after a fault of a peer, milliseconds. */
  readonly pauseMs: number;
  readonly maxPauseMs: number;
}

export const REPLICATOR_DEFAULTS: ReplicatorSettings = {
  pollMs: 500,
  holdMs: 10_000,
  pauseMs: 250,
  maxPauseMs: 30_000,
};

export interface ReplicatorDeps {
  readonly policy: Policy;
  readonly log: OwnLog;
  readonly signatures: SignatureStore;
  readonly mirror: (mirror: PolicyWitness) => MirrorClient;
  readonly witness: (witness: PolicyWitness) => WitnessClient;
  /** True: `mirrored` wants blobs too. */
  readonly withBlobs: boolean;
  /** Throws when checkpoints must not leave now: the restore rule. */
  readonly mayRelease: () => Promise<void>;
  readonly clock: Clock;
  readonly logger: Log;
  /** Called when a level has moved. */
  readonly onLevels: (sizes: LevelSizes) => void;
  readonly onPeer: (peer: string, ok: boolean, behind: number) => void;
  /** Called when a peer finds that what it is shown does not continue what it has signed, or signs nothing of this log. */
  readonly onContradicted: () => void;
}

export interface Replicator {
  /** A commit has made the log longer: look at once. */
  wake(): void;
  /** From now on this policy counts: who is new in it is asked, who is gone from it is not asked again. */
  setPolicy(policy: Policy): void;
  /** Resolves when nothing runs any more. */
  close(): Promise<void>;
}

interface Peer {
  readonly cosigner: PolicyWitness;
  readonly isMirror: boolean;
  readonly ask: (
    target: Target,
  ) => Promise<{ cosignature: KeptCosignature | undefined; receipt?: KeptReceipt | undefined }>;
  /** Size of the last target that is settled with this peer. */
  done: number;
  pauseMs: number;
  /** True when the policy does not name it any more: its loop ends. */
  gone: boolean;
  wake: () => void;
}

/** Starts the loops. Errors are logged and tried again; it never throws. */
export function startReplicator(deps: ReplicatorDeps, settings: ReplicatorSettings = REPLICATOR_DEFAULTS): Replicator {
  const replicator = new Loops(deps, settings);
  replicator.start();
  return replicator;
}

class Loops implements Replicator {
  readonly #deps: ReplicatorDeps;
  readonly #settings: ReplicatorSettings;
  #policy: Policy;
  #peers: readonly Peer[] = [];
  #cosignatures = new Map<string, KeptCosignature>();
  #receipts = new Map<string, KeptReceipt>();
  #published: Published | undefined;
  #head = 0;
  #mirrored = 0;
  #target: (Target & { readonly since: number }) | undefined;
  #closed = false;
  /** True from the moment on in which the loops of the peers run. */
  #hasBegun = false;
  #poll: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #lookAgain = false;
  #running: Promise<void>[] = [];
  #saving: Promise<void> = Promise.resolve();

  constructor(deps: ReplicatorDeps, settings: ReplicatorSettings) {
    this.#deps = deps;
    this.#settings = settings;
    this.#policy = deps.policy;
    this.#peers = this.#peersOf(deps.policy);
  }

  get #hasMirrors(): boolean {
    return this.#policy.groups.has(MIRRORS);
  }

  #peersOf(policy: Policy): readonly Peer[] {
    const { mirror, witness } = this.#deps;
    const fresh = { done: 0, pauseMs: 0, gone: false, wake: (): void => {} };
    const mirrors = new Set(mirrorsOf(policy));
    return [...mirrors, ...witnessesOf(policy)]
      .filter(({ url }) => url !== undefined)
      .map((cosigner): Peer => {
        if (mirrors.has(cosigner)) {
          const client = mirror(cosigner);
          return { ...fresh, cosigner, isMirror: true, ask: (target) => client.bring(target) };
        }
        const client = witness(cosigner);
        const ask: Peer['ask'] = async (target) => ({ cosignature: await client.cosign(target) });
        return { ...fresh, cosigner, isMirror: false, ask };
      });
  }

  setPolicy(policy: Policy): void {
    const before = this.#peers;
    this.#policy = policy;
    // Who is the same goes on where it is, in the middle of an upload too.
    this.#peers = this.#peersOf(policy).map((peer) => before.find((old) => isSame(old, peer)) ?? peer);
    for (const peer of before) {
      peer.gone = !this.#peers.includes(peer);
      peer.wake();
    }
    if (!this.#hasBegun) return;
    for (const peer of this.#peers) if (!before.includes(peer)) this.#running.push(this.#loop(peer));
    this.#levels();
    for (const peer of this.#peers) peer.wake();
    this.wake();
  }

  start(): void {
    this.#running.push(this.#begin());
    const poll = (): void => {
      if (this.#closed) return;
      this.wake();
      this.#poll = setTimeout(poll, this.#settings.pollMs);
      this.#poll.unref();
    };
    poll();
  }

  wake(): void {
    if (this.#lookAgain || this.#closed) return;
    this.#lookAgain = true;
    this.#looking = this.#looking.then(() => {
      this.#lookAgain = false;
      return this.#look();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#poll);
    for (const peer of this.#peers) peer.wake();
    await Promise.all([...this.#running, this.#looking, this.#saving]);
  }

  async #begin(): Promise<void> {
    while (!this.#closed) {
      try {
        const kept = await this.#deps.signatures.load();
        this.#cosignatures = new Map(kept.cosignatures.map((line) => [line.cosigner, line]));
        this.#receipts = new Map(kept.receipts.map((receipt) => [receipt.mirror, receipt]));
        this.#published = kept.published;
        this.#levels();
        break;
      } catch (thrown) {
        this.#report('replication.load-failed', thrown);
        await this.#sleep(this.#settings.maxPauseMs / 10, () => {});
      }
    }
    this.#hasBegun = true;
    for (const peer of this.#peers) this.#running.push(this.#loop(peer));
    this.wake();
  }

  /** Looks at the head of the log and chooses the target. */
  async #look(): Promise<void> {
    try {
      const block = await this.#deps.log.latest();
      if (block === undefined) return;
      if (block.size !== this.#head) {
        this.#head = block.size;
        this.#levels();
      }
      const target = this.#target;
      const now = this.#deps.clock.now();
      // A clock that was set back would hold a target that has no quorum until it is late enough again.
      const held = target === undefined ? 0 : Math.abs(now - target.since);
      const settled = target === undefined || this.#isPublished(target) || held >= this.#settings.holdMs;
      if (!settled || (target !== undefined && block.size <= target.size)) return;
      await this.#deps.mayRelease();
      this.#target = { size: block.size, root: block.root, checkpoint: block.checkpoint, since: now };
      for (const peer of this.#peers) peer.wake();
    } catch (thrown) {
      // The gate and the database say themselves that they are closed or away; this is asked at every commit.
      if (asGatewayError(thrown).code !== 'unavailable') this.#report('replication.look-failed', thrown);
    }
  }

  async #loop(peer: Peer): Promise<void> {
    while (!this.#closed && !peer.gone) {
      const target = this.#target;
      if (target === undefined || target.size <= peer.done || !this.#isTurnOf(peer, target)) {
        await new Promise<void>((resolve) => (peer.wake = resolve));
        continue;
      }
      try {
        const { cosignature, receipt } = await peer.ask(target);
        peer.done = target.size;
        peer.pauseMs = 0;
        if (peer.gone) break;
        this.#deps.onPeer(peer.cosigner.name, true, this.#head - target.size);
        await (this.#saving = this.#saving.then(() => this.#keep(target, cosignature, receipt)));
      } catch (thrown) {
        if (peer.gone) break;
        this.#deps.onPeer(peer.cosigner.name, false, this.#head - peer.done);
        this.#report('replication.peer-failed', thrown, peer.cosigner.name);
        // Forbidden: it may have frozen the origin, for a tree that this one is not part of.
        if (['integrity', 'forbidden'].includes(asGatewayError(thrown).code)) this.#deps.onContradicted();
        peer.pauseMs = Math.min(Math.max(peer.pauseMs * 2, this.#settings.pauseMs), this.#settings.maxPauseMs);
        await this.#sleep(
          peer.pauseMs,
          (wake) => (peer.wake = wake),
          () => peer.gone,
        );
      }
    }
  }

  /** Witnesses come after the mirrors: whatever is cosigned can be rebuilt. */
  #isTurnOf(peer: Peer, target: Target): boolean {
    return peer.isMirror || !this.#hasMirrors || this.#mirrored >= target.size;
  }

  async #keep(target: Target, cosignature?: KeptCosignature, receipt?: KeptReceipt): Promise<void> {
    const { signatures } = this.#deps;
    if (cosignature !== undefined) {
      await signatures.keepCosignature(cosignature);
      this.#cosignatures.set(cosignature.cosigner, cosignature);
    }
    if (receipt !== undefined) {
      await signatures.keepReceipt(receipt);
      this.#receipts.set(receipt.mirror, receipt);
    }
    const published = this.#noteOf(target);
    if (published !== undefined && (this.#published?.size ?? 0) <= published.size) {
      await signatures.publish(published);
      this.#published = published;
    }
    this.#levels();
    for (const other of this.#peers) other.wake();
    this.wake();
  }

  /** The target with the cosignatures that are there for it, if they make the quorum. */
  #noteOf(target: Target): Published | undefined {
    const policy = this.#policy;
    if (policy.quorum === NO_QUORUM) return undefined;
    const lines = new Map<string, string>();
    for (const { cosigner, size, root, line } of this.#cosignatures.values()) {
      if (size === target.size && root.equals(target.root)) lines.set(cosigner, line);
    }
    // By its key of today: a cosigner may have another one than when it signed.
    if (!isSatisfied(policy, policy.quorum, ({ key }) => isLineOf(lines.get(key.name), key))) return undefined;
    return { size: target.size, root: target.root, checkpoint: target.checkpoint + [...lines.values()].join('') };
  }

  #isPublished(target: Target): boolean {
    if (this.#policy.quorum === NO_QUORUM) return !this.#hasMirrors || this.#mirrored >= target.size;
    return (this.#published?.size ?? 0) >= target.size;
  }

  #levels(): void {
    const kept: KeptSignatures = {
      cosignatures: [...this.#cosignatures.values()],
      receipts: [...this.#receipts.values()],
      published: this.#published,
    };
    this.#mirrored = mirroredSize(this.#policy, kept, this.#deps.withBlobs);
    this.#deps.onLevels({ durable: this.#head, mirrored: this.#mirrored, witnessed: this.#published?.size ?? 0 });
  }

  #report(event: string, thrown: unknown, peer?: string): void {
    const error = asGatewayError(thrown);
    const level = error.code === 'integrity' || error.code === 'forbidden' ? 'error' : 'warn';
    this.#deps.logger[level]({
      event,
      code: error.code,
      ...(peer === undefined ? {} : { source: peer }),
      ...describeError(error),
    });
  }

  /** Waits, or until `onWake` gives the sleeper a call; ends at once when closing. */
  async #sleep(ms: number, onWake: (wake: () => void) => void, isOver = (): boolean => false): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      // Only closing cuts a pause short: a new target is no reason to press a peer that has just failed.
      onWake(() => {
        if (!this.#closed && !isOver()) return;
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

/** True for one role of one gateway at one address. */
function isSame(a: Peer, b: Peer): boolean {
  const [x, y] = [a.cosigner, b.cosigner];
  const isSameKey = x.key.name === y.key.name && x.key.id === y.key.id && x.key.publicKey.equals(y.key.publicKey);
  return a.isMirror === b.isMirror && x.name === y.name && x.url === y.url && isSameKey;
}

/** Whether a kept signature line is by this key, going by its id: that it verifies was seen when it was kept. */
function isLineOf(line: string | undefined, { id }: VerifierKey): boolean {
  const signature = line === undefined ? undefined : fromBase64(line.slice(line.lastIndexOf(' ') + 1, -1));
  return signature !== undefined && signature.length > 4 && signature.readUInt32BE(0) === id;
}
