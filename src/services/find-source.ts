/**
 * Finds the mirror to restore from: asks every cosigner of the policy what it has last signed of the log, and chooses the
 * mirror that is furthest. A mirror that has less than what was cosigned somewhere cannot bring the log back as it was:
 * signing on from there would fork it.
 */
import { parseCheckpoint } from '../ledger/checkpoint.ts';
import { verifyNote, type VerifierKey } from '../ledger/note.ts';
import { mirrorsOf, type Policy, type PolicyWitness } from '../ledger/policy.ts';
import type { PeerHttp } from '../replication/peer-ports.ts';
import { originHash } from '../replication/trust.ts';

export interface LastSigned {
  readonly cosigner: PolicyWitness;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Buffer;
  /** The signed note. */
  readonly checkpoint: string;
}

export interface FoundSources {
  /** Mirrors that have something of the log, the furthest first. */
  readonly mirrors: readonly LastSigned[];
  /** What the other cosigners have signed. */
  readonly witnesses: readonly LastSigned[];
  /** The largest size that anybody has signed. */
  readonly cosigned: number;
  /** Cosigners that did not answer. */
  readonly silent: readonly string[];
}

const CHECKPOINT_MAX_BYTES = 512 * 1024;

/** `logKey`: of the log that is looked for. Never rejects because a peer is away. */
export async function findSources(
  policy: Policy,
  http: PeerHttp,
  logKey: VerifierKey,
  deadlineMs: number,
): Promise<FoundSources> {
  const cosigners = [...policy.witnesses.values()];
  const answers = await Promise.all(cosigners.map((cosigner) => ask(http, logKey, cosigner, deadlineMs)));
  const signed = answers.filter((answer): answer is LastSigned => typeof answer === 'object');
  const mirrors = new Set(mirrorsOf(policy));
  return {
    mirrors: signed.filter(({ cosigner }) => mirrors.has(cosigner)).toSorted((x, y) => y.size - x.size),
    witnesses: signed.filter(({ cosigner }) => !mirrors.has(cosigner)),
    cosigned: Math.max(0, ...signed.map(({ size }) => size)),
    silent: cosigners.filter((_, i) => answers[i] === 'silent').map(({ name }) => name),
  };
}

async function ask(
  http: PeerHttp,
  logKey: VerifierKey,
  cosigner: PolicyWitness,
  deadlineMs: number,
): Promise<LastSigned | 'nothing' | 'silent'> {
  const { url, key } = cosigner;
  if (url === undefined) return 'silent';
  try {
    const answer = await http.send({
      method: 'GET',
      url: `${url}/${originHash(logKey.name)}/checkpoint`,
      deadlineMs,
      maxBytes: CHECKPOINT_MAX_BYTES,
    });
    if (answer.status === 404) return 'nothing';
    const checkpoint = answer.body.toString();
    const parsed = answer.status === 200 ? parseCheckpoint(checkpoint) : undefined;
    if (parsed === undefined || parsed.checkpoint.origin !== logKey.name) return 'silent';
    if (verifyNote(parsed.note, [logKey, key])?.length !== 2) return 'silent';
    return { cosigner, size: parsed.checkpoint.size, root: parsed.checkpoint.root, checkpoint };
  } catch {
    return 'silent';
  }
}
