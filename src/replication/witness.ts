/**
 * Witness (C2SP tlog-witness v1.0.0): cosigns checkpoints of the logs in the local policy, each an extension of the last one
 * that it cosigned, and shows that last one. Its key and name are its own; the mirror's are others.
 */
import type { Clock } from '../core/clock.ts';
import { cosign, cosignerKey } from '../ledger/cosignature.ts';
import { formatSignatureLine, formatVkey, type NoteSigner } from '../ledger/note.ts';
import { checkpointAcceptor, type CheckpointStore, type Equivocation } from './accept-checkpoint.ts';
import type { Trust } from './trust.ts';

/** Answer to add-checkpoint. 200: signature lines; 409: the size of the last cosigned checkpoint. */
export type WitnessAnswer =
  | { readonly status: 200; readonly body: string }
  | { readonly status: 400 | 403 | 404 | 422; readonly reason: string }
  | { readonly status: 409; readonly size: number };

export interface EvidenceStore {
  /** All evidence, oldest first. */
  evidence(): Promise<readonly Equivocation[]>;
}

export interface Witness {
  /** The verifier key (type 0x04), one line without newline. */
  readonly vkey: string;
  /** Handles one request body. The answer is durable. Rejects with `unavailable`. */
  addCheckpoint(body: string): Promise<WitnessAnswer>;
  /** The last cosigned checkpoint of the origin with this hash (lower-case hex); undefined when there is none. */
  checkpoint(originHash: string): Promise<string | undefined>;
  /** Kept proofs of two trees, of all origins. */
  evidence(): Promise<readonly Equivocation[]>;
}

export interface WitnessDeps {
  readonly trust: Trust;
  readonly store: CheckpointStore & EvidenceStore;
  readonly clock: Clock;
  /** The `witness` key under the witness's name. */
  readonly signer: NoteSigner;
  readonly onEquivocation: (evidence: Equivocation) => void;
}

export function createWitness(deps: WitnessDeps): Witness {
  const key = cosignerKey(deps.signer);
  const accept = checkpointAcceptor({
    ...deps,
    cosign: (text) => [cosign(text, deps.signer, Math.floor(deps.clock.now() / 1000))],
  });
  return {
    vkey: formatVkey(key),
    async addCheckpoint(body) {
      const outcome = await accept(body);
      if (outcome.status !== 200) return outcome;
      const ours = outcome.kept.signatures.filter(({ name, id }) => name === key.name && id === key.id);
      return { status: 200, body: ours.map(formatSignatureLine).join('') };
    },
    async checkpoint(originHash) {
      const origin = deps.trust.originOf(originHash);
      if (origin === undefined) return undefined;
      const { note } = await deps.store.load(origin);
      return note === '' ? undefined : note;
    },
    evidence: () => deps.store.evidence(),
  };
}
