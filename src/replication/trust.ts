/**
 * Whom this gateway trusts, in the form in which the roles ask: keys of an origin, whether it is suspended, the origin behind
 * the hash in a monitoring path. Made from the local policy file; nothing else adds a log or a cosigner.
 */
import { hash } from 'node:crypto';
import type { VerifierKey } from '../ledger/note.ts';
import type { Policy } from '../ledger/policy.ts';

export interface Trust {
  /** Keys trusted for the checkpoints of an origin, the same array as long as they are the same; empty when it is not known. */
  logKeys(origin: string): readonly VerifierKey[];
  /** Where the log of an origin is read, without a trailing slash; undefined when the policy does not say. */
  logUrl(origin: string): string | undefined;
  /** True when the local quorum has suspended the origin: nothing of it is taken, nothing given to it. */
  isSuspended(origin: string): boolean;
  /** The same, as it stands when this is called, whichever process has suspended the origin. Rejects with `unavailable`. */
  isSuspendedNow(origin: string): Promise<boolean>;
  /** The origin whose SHA-256 (lower-case hex) this is. */
  originOf(originHash: string): string | undefined;
  /** Every known origin. */
  readonly origins: readonly string[];
}

/** SHA-256 of an origin, lower-case hex: its name in monitoring paths (tlog-witness, tlog-mirror). */
export function originHash(origin: string): string {
  return hash('sha256', origin, 'hex');
}

const NO_KEYS: readonly VerifierKey[] = [];

/** `suspended` and `suspendedNow` are asked at every use, so that a suspension acts on the next request. */
export function trustOf(
  policy: Policy,
  suspended: (origin: string) => boolean,
  suspendedNow = async (origin: string): Promise<boolean> => suspended(origin),
): Trust {
  const keys = new Map<string, VerifierKey[]>();
  const urls = new Map<string, string>();
  const byHash = new Map<string, string>();
  for (const { key, url } of policy.logs) {
    keys.set(key.name, [...(keys.get(key.name) ?? []), key]);
    if (url !== undefined && !urls.has(key.name)) urls.set(key.name, url);
    byHash.set(originHash(key.name), key.name);
  }
  return {
    logKeys: (origin) => keys.get(origin) ?? NO_KEYS,
    logUrl: (origin) => urls.get(origin),
    isSuspended: suspended,
    isSuspendedNow: suspendedNow,
    originOf: (text) => byHash.get(text),
    origins: [...keys.keys()],
  };
}

/** Trust that is asked for at each use: of a policy file that changes while the gateway runs. */
export function changingTrust(now: () => Trust): Trust {
  return {
    logKeys: (origin) => now().logKeys(origin),
    logUrl: (origin) => now().logUrl(origin),
    isSuspended: (origin) => now().isSuspended(origin),
    isSuspendedNow: (origin) => now().isSuspendedNow(origin),
    originOf: (text) => now().originOf(text),
    get origins() {
      return now().origins;
    },
  };
}
