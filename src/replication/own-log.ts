/**
 * The own log as replication reads it, what others have signed of it, and how far each level reaches (DESIGN section 11).
 */
import type { Block } from '../ledger/block.ts';
import { isSatisfied, MIRRORS, mirrorsOf, type Policy } from '../ledger/policy.ts';
import type { HashReader } from '../ledger/tree-range.ts';
import type { LogRows } from './mirror-ports.ts';

/** The own log, committed. Errors: `unavailable`; `integrity` for what does not add up. */
export interface OwnLog extends LogRows {
  /** The block with the highest number; undefined while nothing is anchored. */
  latest(): Promise<Block | undefined>;
  /** Document digests (32 bytes each) of the leaves [from, to), in order. */
  leafDigests(from: number, to: number): Promise<Buffer[]>;
  /** Hashes of the tree of `size` leaves, for proofs. */
  hashes(size: number): HashReader;
}

/** The newest cosignature of a cosigner. */
export interface KeptCosignature {
  /** Key name of the cosigner. */
  readonly cosigner: string;
  readonly size: number;
  readonly root: Buffer;
  /** The signature line with its newline. */
  readonly line: string;
  /** POSIX seconds, as signed. */
  readonly at: number;
}

/** The newest receipt of a mirror. */
export interface KeptReceipt {
  /** Key name of the mirror. */
  readonly mirror: string;
  /** Documents and sealed payloads of the leaves below are there; the same for blobs. */
  readonly size: number;
  readonly blobs: number;
  readonly receipt: string;
}

/** The newest checkpoint for which the policy's quorum holds, with its cosignatures. */
export interface Published {
  readonly size: number;
  readonly root: Buffer;
  readonly checkpoint: string;
}

export interface KeptSignatures {
  readonly cosignatures: readonly KeptCosignature[];
  readonly receipts: readonly KeptReceipt[];
  readonly published: Published | undefined;
}

/** What others have signed of the own log. Writes never go back to a smaller size; the last ones may be lost in a crash, and are asked for again. */
export interface SignatureStore {
  load(): Promise<KeptSignatures>;
  keepCosignature(cosignature: KeptCosignature): Promise<void>;
  keepReceipt(receipt: KeptReceipt): Promise<void>;
  publish(published: Published): Promise<void>;
}

export type Level = 'durable' | 'mirrored' | 'witnessed';

/** Leaves below these sizes have reached the level. */
export type LevelSizes = Readonly<Record<Level, number>>;

/**
 * Up to where a mirror has what `mirrored` means: cosigned, documents and payloads received, and blobs where `withBlobs`. A
 * mirror that covers a size covers every smaller one, since all checkpoints of a log are prefixes of each other.
 */
function mirrorReach(kept: KeptSignatures, name: string, withBlobs: boolean): number {
  const cosigned = kept.cosignatures.find(({ cosigner }) => cosigner === name)?.size ?? 0;
  const receipt = kept.receipts.find(({ mirror }) => mirror === name);
  const held = receipt === undefined ? 0 : withBlobs ? Math.min(receipt.size, receipt.blobs) : receipt.size;
  return Math.min(cosigned, held);
}

/** The largest size that the policy's group of mirrors covers; 0 without such a group. */
export function mirroredSize(policy: Policy, kept: KeptSignatures, withBlobs: boolean): number {
  if (!policy.groups.has(MIRRORS)) return 0;
  const reach = new Map(mirrorsOf(policy).map((mirror) => [mirror, mirrorReach(kept, mirror.key.name, withBlobs)]));
  const sizes = [...reach.values()].toSorted((a, b) => b - a);
  return sizes.find((size) => isSatisfied(policy, MIRRORS, (mirror) => (reach.get(mirror) ?? 0) >= size)) ?? 0;
}
