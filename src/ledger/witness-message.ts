/**
 * The body of add-checkpoint (C2SP tlog-witness v1.0.0), and the body of its 409 answer. Pure; what a witness does with it
 * stands in `replication/witness`.
 */
import { parseCheckpoint, type Checkpoint } from './checkpoint.ts';
import { HASH_BYTES } from './merkle.ts';
import { fromBase64, type Note } from './note.ts';

/** "The client MUST NOT send more than 63 consistency proof lines." */
export const PROOF_MAX_HASHES = 63;
/** Bytes of one body: a checkpoint with a hundred ML-DSA cosignatures is 400 KB. */
export const ADD_CHECKPOINT_MAX_BYTES = 512 * 1024;
/** Media type of the 409 answer. */
export const TLOG_SIZE = 'text/x.tlog.size';

export interface AddCheckpoint {
  /** Size of the checkpoint that the client believes to be the last cosigned one. */
  readonly oldSize: number;
  /** Consistency proof from that size, 32 bytes each. */
  readonly proof: readonly Buffer[];
  readonly checkpoint: Checkpoint;
  readonly note: Note;
}

/** The request body. `checkpoint` is the signed note. RangeError above 63 hashes. */
export function encodeAddCheckpoint(oldSize: number, proof: readonly Uint8Array[], checkpoint: string): string {
  if (proof.length > PROOF_MAX_HASHES) throw new RangeError('a consistency proof has at most 63 hashes');
  const lines = proof.map((hash) => `${Buffer.from(hash).toString('base64')}\n`);
  return `old ${oldSize}\n${lines.join('')}\n${checkpoint}`;
}

/** Reads a request body; undefined when it is malformed. Does not compare the two sizes, verifies nothing. */
export function parseAddCheckpoint(body: string): AddCheckpoint | undefined {
  const split = body.indexOf('\n\n');
  if (split < 0 || body.length > ADD_CHECKPOINT_MAX_BYTES) return undefined;
  const [first = '', ...lines] = body.slice(0, split).split('\n');
  const oldSize = parseSize(/^old (.*)$/.exec(first)?.[1] ?? '');
  if (oldSize === undefined || lines.length > PROOF_MAX_HASHES) return undefined;
  const proof: Buffer[] = [];
  for (const line of lines) {
    const hash = fromBase64(line);
    if (hash?.length !== HASH_BYTES) return undefined;
    proof.push(hash);
  }
  const parsed = parseCheckpoint(body.slice(split + 2));
  return parsed === undefined ? undefined : { oldSize, proof, ...parsed };
}

/** The body of a 409: the size of the last cosigned checkpoint. */
export function encodeSize(size: number): string {
  return `${size}\n`;
}

/** Reads the body of a 409; undefined when it is malformed. */
export function parseSizeBody(body: string): number | undefined {
  return body.endsWith('\n') ? parseSize(body.slice(0, -1)) : undefined;
}

/** "ASCII decimal with no leading zeroes"; undefined beyond 2^53. */
export function parseSize(text: string): number | undefined {
  if (!/^(0|[1-9][0-9]{0,15})$/.test(text)) return undefined;
  return Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}
