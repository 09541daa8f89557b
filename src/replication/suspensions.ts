/**
 * Suspensions in force (DESIGN section 11): statements are kept when a witness of the policy, or this gateway itself, has
 * signed them, and act from the moment at which they are kept. Other processes of this gateway see them at their next look.
 */
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { verifierKey, KEY_ED25519, type NoteSigner } from '../ledger/note.ts';
import { witnessesOf, type Policy } from '../ledger/policy.ts';
import {
  signSuspension,
  suspendedOrigins,
  verifySuspension,
  type SuspensionStatement,
  type SuspensionStore,
} from './suspension.ts';

export interface Suspensions {
  /** True when the origin is suspended here now. */
  has(origin: string): boolean;
  /** Every statement that is kept, as signed: what members give each other. */
  statements(): readonly string[];
  /** Keeps a statement. Throws `forbidden` when no known witness has signed it. Durable and in force on return. */
  take(statement: string): Promise<SuspensionStatement>;
  /** Signs and keeps this gateway's own statement; returns it for the others. */
  say(subject: string, suspended: boolean): Promise<string>;
  /** Reads what other processes have kept. */
  refresh(): Promise<void>;
}

export interface SuspensionsDeps {
  readonly policy: Policy;
  readonly store: SuspensionStore;
  readonly clock: Clock;
  /** The own `witness` key under the witness's name. */
  readonly signer: NoteSigner;
  readonly onChange: (suspended: ReadonlySet<string>) => void;
}

/** Reads the kept statements before it resolves. */
export async function openSuspensions(deps: SuspensionsDeps): Promise<Suspensions> {
  const { policy, store, signer } = deps;
  const known = [
    verifierKey(signer.name, KEY_ED25519, signer.rawPublicKey),
    ...witnessesOf(policy).map(({ key }) => key),
  ];
  let kept: readonly (SuspensionStatement & { readonly statement: string })[] = [];
  let suspended: ReadonlySet<string> = new Set();
  const refresh = async (): Promise<void> => {
    // Issuers that have left the policy do not count any more.
    kept = (await store.all()).filter(({ statement }) => verifySuspension(statement, known) !== undefined);
    const now = suspendedOrigins(policy, signer.name, kept);
    const changed = now.size !== suspended.size || [...now].some((origin) => !suspended.has(origin));
    suspended = now;
    if (changed) deps.onChange(suspended);
  };
  const take = async (statement: string): Promise<SuspensionStatement> => {
    const parsed = verifySuspension(statement, known);
    if (parsed === undefined) {
      throw new GatewayError('forbidden', 'a suspension must be signed by one witness of the policy file');
    }
    await store.keep(parsed, statement);
    await refresh();
    return parsed;
  };
  await refresh();
  return {
    has: (origin) => suspended.has(origin),
    statements: () => kept.map(({ statement }) => statement),
    take,
    async say(subject, suspend) {
      const statement = signSuspension({ subject, issued: deps.clock.now(), suspended: suspend }, signer);
      await take(statement);
      return statement;
    },
    refresh,
  };
}
