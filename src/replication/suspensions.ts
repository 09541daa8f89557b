/**
 * Suspensions in force (DESIGN section 11): statements are anchored in the own log when a witness of the policy, or this gateway itself,
 * has signed them, and act from then on. `hasNow` asks the database, so that a statement which another process has taken acts on
 * the next request to this one; `has` is what this process has seen last.
 */
import type { Clock } from '../core/clock.ts';
import { coalesce } from '../core/coalesce.ts';
import { GatewayError } from '../core/errors.ts';
import { PEER_CLOCK_SKEW_SECONDS } from '../core/limits.ts';
import { lane } from '../core/lane.ts';
import { verifierKey, KEY_ED25519, type NoteSigner, type VerifierKey } from '../ledger/note.ts';
import { witnessesOf, type Policy } from '../ledger/policy.ts';
import {
  newestStatements,
  readSuspension,
  signSuspension,
  suspendedOrigins,
  verifySuspension,
  type SuspensionStatement,
  type SuspensionStore,
} from './suspension.ts';

export interface Suspensions {
  /** True when the origin was suspended here at the last look. */
  has(origin: string): boolean;
  /** True when the origin is suspended by anything that was anchored before the call. Rejects with `unavailable`. */
  hasNow(origin: string): Promise<boolean>;
  /** Every statement that counts, as signed: what members give each other. */
  statements(): readonly string[];
  /**
   * Anchors a statement; one that is not newer than that issuer's last about the subject changes nothing. Throws `forbidden`
   * when no known witness has signed it, `invalid-content` when it is dated in the future. Durable and in force on return.
   */
  take(statement: string): Promise<SuspensionStatement>;
  /** Signs and anchors this gateway's own statement; returns it for the others. */
  say(subject: string, suspended: boolean): Promise<string>;
  /** Reads what other processes have anchored. */
  refresh(): Promise<void>;
}

export interface SuspensionsDeps {
  /** The policy of the moment. */
  readonly policy: () => Policy;
  readonly store: SuspensionStore;
  readonly clock: Clock;
  /** The own `witness` key under the witness's name. */
  readonly signer: NoteSigner;
  /** True for a document that this gateway has signed and that holds the statement. */
  readonly isAnchored: (document: Buffer, statement: string) => boolean;
  readonly onChange: (suspended: ReadonlySet<string>) => void;
}

type Kept = SuspensionStatement & { readonly statement: string };

/** Reads the anchored statements before it resolves. */
export async function openSuspensions(deps: SuspensionsDeps): Promise<Suspensions> {
  const { store, signer } = deps;
  const own = verifierKey(signer.name, KEY_ED25519, signer.rawPublicKey);
  const issuers = (policy: Policy): readonly VerifierKey[] => [own, ...witnessesOf(policy).map(({ key }) => key)];
  let mark: string | undefined;
  let counted: Policy | undefined;
  let kept: readonly Kept[] = [];
  let suspended: ReadonlySet<string> = new Set();
  const inTurn = lane();
  // Issuers that have left the policy do not count any more; nor does a row that only the database vouches for.
  const read = (
    { statement, document }: Awaited<ReturnType<SuspensionStore['all']>>[number],
    known: readonly VerifierKey[],
  ): readonly Kept[] => {
    const parsed = readSuspension(statement);
    if (parsed === undefined || known.every(({ name }) => name !== parsed.issuer)) return [];
    const isOwn = document !== undefined && deps.isAnchored(document, statement);
    return isOwn || verifySuspension(statement, known) !== undefined ? [{ ...parsed, statement }] : [];
  };
  // In turn: an older look must not undo a newer one.
  const refresh = (): Promise<void> =>
    inTurn(async () => {
      const [now, policy] = [await store.mark(), deps.policy()];
      if (now === mark && policy === counted) return;
      const known = issuers(policy);
      kept = newestStatements((await store.all()).flatMap((row) => read(row, known)));
      mark = now;
      counted = policy;
      const found = suspendedOrigins(policy, signer.name, kept);
      const changed = found.size !== suspended.size || [...found].some((origin) => !suspended.has(origin));
      suspended = found;
      if (changed) deps.onChange(suspended);
    });
  const take = async (statement: string): Promise<SuspensionStatement> => {
    const verified = verifySuspension(statement, issuers(deps.policy()));
    if (verified === undefined) {
      throw new GatewayError('forbidden', 'a suspension must be signed by one witness of the policy file');
    }
    const { issuer, subject, issued } = verified.statement;
    // Anchored, a statement of the future would outlive everything that its issuer says until then.
    if (issued > deps.clock.now() + PEER_CLOCK_SKEW_SECONDS * 1000 && issuer !== signer.name) {
      throw new GatewayError(
        'invalid-content',
        'the suspension is dated in the future: set the clocks of both gateways, then say it again',
      );
    }
    await refresh();
    const isOld = kept.some((last) => last.issuer === issuer && last.subject === subject && last.issued >= issued);
    if (!isOld) await store.anchor(verified.note);
    await refresh();
    return verified.statement;
  };
  // Requests of one moment share one look, which begins after they came.
  const look = coalesce(async (origins: readonly string[]) => {
    await refresh();
    return origins.map((origin) => suspended.has(origin));
  });
  await refresh();
  return {
    has: (origin) => suspended.has(origin),
    hasNow: look,
    statements: () => kept.map(({ statement }) => statement),
    take,
    async say(subject, suspend) {
      await refresh();
      // Later than the last one, also where the clock was set back since: what is said now counts.
      const last = kept.find((one) => one.issuer === signer.name && one.subject === subject);
      const issued = Math.max(deps.clock.now(), (last?.issued ?? 0) + 1);
      const statement = signSuspension({ subject, issued, suspended: suspend }, signer);
      await take(statement);
      return statement;
    },
    refresh,
  };
}
