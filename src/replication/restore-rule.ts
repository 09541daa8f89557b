/**
 * The restore rule (DESIGN section 11): before a gateway releases a checkpoint after a start or a fail-over of its database,
 * it asks the cosigners of its policy for the largest checkpoint of its log that they know. When it can reproduce that, it
 * goes on. When its own log is shorter or another, its database was rolled back or rewritten: signing again would fork the
 * log. So many answers are needed that every quorum has one of them (of k of n: n - k + 1).
 */
import { equalBytes } from '../core/bytes.ts';
import { parseCheckpoint } from '../ledger/checkpoint.ts';
import { verifyNote, type VerifierKey } from '../ledger/note.ts';
import { meetsEveryQuorum, MIRRORS, NO_QUORUM, type Policy, type PolicyWitness } from '../ledger/policy.ts';
import { rangeRoots } from '../ledger/tree-range.ts';
import type { OwnLog } from './own-log.ts';
import type { PeerHttp } from './peer-ports.ts';
import { originHash } from './trust.ts';

export type RestoreVerdict =
  /** Nothing that was cosigned is missing here. */
  | { readonly kind: 'go-on' }
  /** A cosigner knows `size` leaves; this database has fewer (`behind`) or others (`forked`). */
  | { readonly kind: 'behind' | 'forked'; readonly size: number; readonly checkpoint: string }
  /** Too few cosigners have answered to know. */
  | { readonly kind: 'too-few'; readonly answers: number };

export interface RestoreRuleDeps {
  readonly policy: Policy;
  readonly http: PeerHttp;
  readonly log: Pick<OwnLog, 'latest' | 'hashes'>;
  /** The own log's verifier key; its name is the origin. */
  readonly logKey: VerifierKey;
  readonly deadlineMs: number;
}

const CHECKPOINT_MAX_BYTES = 512 * 1024;

/** Asks all cosigners at once. Rejects only when the own log cannot be read. */
export async function askRestoreRule(deps: RestoreRuleDeps): Promise<RestoreVerdict> {
  const rule = deciding(deps.policy);
  if (rule === undefined) return { kind: 'go-on' };
  const cosigners = [...deps.policy.witnesses.values()];
  const answers = await Promise.all(cosigners.map((cosigner) => lastCosigned(deps, cosigner)));
  const latest = await deps.log.latest();
  let worst: RestoreVerdict | undefined;
  for (const answer of answers) {
    if (answer === undefined || answer.size === 0) continue;
    const { size, root, note: checkpoint } = answer;
    if (size > (latest?.size ?? 0)) {
      if (worst?.kind !== 'behind' || worst.size < size) worst = { kind: 'behind', size, checkpoint };
    } else {
      const [own] = await rangeRoots(deps.log.hashes(size), [{ start: 0, end: size }]);
      if (own === undefined || !equalBytes(own, root)) worst ??= { kind: 'forked', size, checkpoint };
    }
  }
  if (worst !== undefined) return worst;
  const answered = new Set(cosigners.filter((_, i) => answers[i] !== undefined));
  if (meetsEveryQuorum(deps.policy, rule, (cosigner) => answered.has(cosigner))) return { kind: 'go-on' };
  return { kind: 'too-few', answers: answered.size };
}

/** The rule whose signatures count; undefined where the policy asks nobody. */
function deciding(policy: Policy): string | undefined {
  if (policy.quorum !== NO_QUORUM) return policy.quorum;
  return policy.groups.has(MIRRORS) ? MIRRORS : undefined;
}

interface LastCosigned {
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
}

/** What a cosigner has last signed of this log; size 0 for nothing; undefined when it does not answer, or not credibly. */
async function lastCosigned(deps: RestoreRuleDeps, { key, url }: PolicyWitness): Promise<LastCosigned | undefined> {
  if (url === undefined) return undefined;
  try {
    const answer = await deps.http.send({
      method: 'GET',
      url: `${url}/${originHash(deps.logKey.name)}/checkpoint`,
      deadlineMs: deps.deadlineMs,
      maxBytes: CHECKPOINT_MAX_BYTES,
    });
    if (answer.status === 404) return { size: 0, root: Buffer.alloc(0), note: '' };
    if (answer.status !== 200) return undefined;
    const note = answer.body.toString();
    const parsed = parseCheckpoint(note);
    const signers = parsed && verifyNote(parsed.note, [deps.logKey, key]);
    // Both signatures: our log made it, and this cosigner stands by it.
    if (parsed === undefined || signers?.length !== 2 || parsed.checkpoint.origin !== deps.logKey.name)
      return undefined;
    return { size: parsed.checkpoint.size, root: parsed.checkpoint.root, note };
  } catch {
    return undefined;
  }
}
