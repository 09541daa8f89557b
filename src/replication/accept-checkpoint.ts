/**
 * What tlog-witness v1.0.0 demands of add-checkpoint, for both roles that have it: a witness cosigns what it accepts, a
 * mirror takes it as the pending checkpoint. Check and persist are one compare-and-swap in the store, so that two requests,
 * in this process or another, can never roll the state back. Nothing is answered before it is durable.
 *
 * Two trees of one size under the log's signature are proof of misbehaviour: both notes are kept, the origin is frozen
 * until a person lifts it.
 */
import { equalBytes } from '../core/bytes.ts';
import type { Clock } from '../core/clock.ts';
import { coalesce } from '../core/coalesce.ts';
import { GatewayError } from '../core/errors.ts';
import { lane } from '../core/lane.ts';
import type { Checkpoint } from '../ledger/checkpoint.ts';
import { verifyConsistency } from '../ledger/consistency.ts';
import { EMPTY_ROOT } from '../ledger/merkle.ts';
import { formatNote, verifyNote, type Note, type NoteSignature, type VerifierKey } from '../ledger/note.ts';
import { parseAddCheckpoint, type AddCheckpoint } from '../ledger/witness-message.ts';
import type { Trust } from './trust.ts';

/** The last accepted checkpoint of an origin. */
export interface AcceptedState {
  readonly size: number;
  /** 32 bytes; of the empty tree while nothing was accepted. */
  readonly root: Buffer;
  /** The signed note, with our cosignature where the role makes one; empty while nothing was accepted. */
  readonly note: string;
  /** True after an equivocation, until a person lifts it. */
  readonly frozen: boolean;
}

export interface Advance {
  readonly origin: string;
  readonly from: Pick<AcceptedState, 'size' | 'root'>;
  readonly to: Pick<AcceptedState, 'size' | 'root' | 'note'>;
}

/** Two checkpoints of one origin and size with different roots, both signed by its log key. */
export interface Equivocation {
  readonly origin: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly foundAt: number;
  readonly first: string;
  readonly second: string;
}

/** Durable state of one role. Errors: `unavailable`. */
export interface CheckpointStore {
  /** The state of an origin; the empty tree when there is none. */
  load(origin: string): Promise<AcceptedState>;
  /**
   * Compare-and-swap of several origins (each at most once) in one transaction: true for those that stood unfrozen at
   * `from`. Durable on return. After an error of unknown outcome the caller loads again.
   */
  advance(moves: readonly Advance[]): Promise<readonly boolean[]>;
  /** Keeps the evidence and freezes the origin in all roles. Durable on return. */
  convict(evidence: Equivocation): Promise<void>;
}

export type CheckpointOutcome =
  | { readonly status: 200; readonly request: AddCheckpoint; readonly kept: Note }
  | { readonly status: 400 | 403 | 404 | 422; readonly reason: string }
  | { readonly status: 409; readonly size: number };

export interface AcceptDeps {
  readonly trust: Trust;
  readonly store: CheckpointStore;
  readonly clock: Clock;
  /** Signature lines of the role for a checkpoint that is about to be accepted; none for a mirror. */
  readonly cosign: (text: string) => readonly NoteSignature[];
  /** Called after the evidence is durable. */
  readonly onEquivocation: (evidence: Equivocation) => void;
}

const refuse = (status: 400 | 403 | 404 | 422, reason: string): CheckpointOutcome => ({ status, reason });

const FROZEN = refuse(403, 'the origin is frozen: it has signed two trees');

interface Origin {
  readonly inTurn: ReturnType<typeof lane>;
  state: AcceptedState | undefined;
  /** The largest size that this process has seen accepted. */
  seen: number;
}

/** A function that handles the body of one add-checkpoint request. Rejects only when the store does. */
export function checkpointAcceptor(deps: AcceptDeps): (body: string) => Promise<CheckpointOutcome> {
  // One entry for each origin of the policy that ever asked: bounded by the policy.
  const origins = new Map<string, Origin>();
  const advance = coalesce((moves: readonly Advance[]) => deps.store.advance(moves), { concurrency: 2 });

  async function decide(
    origin: Origin,
    request: AddCheckpoint,
    keys: readonly VerifierKey[],
  ): Promise<CheckpointOutcome> {
    const { checkpoint, note } = request;
    const load = async (): Promise<AcceptedState> => {
      const stored = await deps.store.load(checkpoint.origin);
      // A database that went back has forgotten what was signed: from there a second tree could be led past it.
      if (stored.size < origin.seen) {
        throw new GatewayError(
          'integrity',
          'the database has lost a checkpoint that this gateway has accepted: it was rolled back, and nothing of this log is signed',
        );
      }
      origin.seen = stored.size;
      return (origin.state = stored);
    };
    let state = origin.state ?? (await load());
    // Another process may have gone on, or a person may have lifted the freeze.
    if (state.frozen || state.size !== request.oldSize) state = await load();
    if (state.frozen) return FROZEN;
    if (state.size === checkpoint.size && state.size > 0 && !equalBytes(state.root, checkpoint.root)) {
      const second = formatNote({ text: note.text, signatures: linesOf(note, keys) });
      const evidence = {
        origin: checkpoint.origin,
        size: state.size,
        foundAt: deps.clock.now(),
        first: state.note,
        second,
      };
      await deps.store.convict(evidence);
      origin.state = undefined;
      deps.onEquivocation(evidence);
      // "If [the old size] doesn't match, the witness MUST respond with a 409": that comes before the roots, which are a 422.
      if (state.size !== request.oldSize) return { status: 409, size: state.size };
      return refuse(422, 'the tree of this size has another root');
    }
    if (state.size !== request.oldSize) return { status: 409, size: state.size };
    if (!isConsistent(state, request)) return refuse(422, 'the consistency proof does not lead to this root');
    const signatures = [...linesOf(note, keys), ...deps.cosign(note.text)];
    const kept = { text: note.text, signatures };
    const to = { size: checkpoint.size, root: checkpoint.root, note: formatNote(kept) };
    origin.state = undefined;
    if (!(await advance({ origin: checkpoint.origin, from: state, to }))) {
      const now = await load();
      return now.frozen ? FROZEN : { status: 409, size: now.size };
    }
    origin.state = { ...to, frozen: false };
    origin.seen = to.size;
    return { status: 200, request, kept };
  }

  return async (body) => {
    const request = parseAddCheckpoint(body);
    if (request === undefined) return refuse(400, 'the body is malformed');
    const { origin: name, size } = request.checkpoint;
    const keys = deps.trust.logKeys(name);
    if (keys.length === 0) return refuse(404, 'the origin is not known here');
    if (await deps.trust.isSuspendedNow(name)) return refuse(403, 'the origin is suspended');
    if (verifyNote(request.note, keys) === undefined)
      return refuse(403, 'no signature by a key trusted for the origin');
    if (request.oldSize > size) return refuse(400, 'the old size is above the new one');
    let origin = origins.get(name);
    if (origin === undefined) origins.set(name, (origin = { inTurn: lane(), state: undefined, seen: 0 }));
    const asked = origin;
    return asked.inTurn(() => decide(asked, request, keys));
  };
}

/** One line of each of these keys. */
function linesOf({ signatures }: Note, keys: readonly VerifierKey[]): NoteSignature[] {
  return keys.flatMap((key) => signatures.find(({ name, id }) => name === key.name && id === key.id) ?? []);
}

/** "The proof MUST be empty if the old size is zero"; the empty tree has its own root. */
function isConsistent(
  state: { size: number; root: Buffer },
  request: { proof: readonly Buffer[]; checkpoint: Checkpoint },
): boolean {
  const { proof, checkpoint } = request;
  if (state.size === 0) {
    return proof.length === 0 && (checkpoint.size > 0 || equalBytes(checkpoint.root, EMPTY_ROOT));
  }
  return verifyConsistency(state.size, checkpoint.size, state.root, checkpoint.root, proof);
}
