/** The port behind which the gateway's keys are kept: a file today, a KMS or PKCS #11 module later. */
import type { KeySet } from './key-set.ts';

export interface LoadedKeySet {
  readonly keySet: KeySet;
  /** True when this call made it. */
  readonly created: boolean;
  /** False when nothing but file permissions protects it: every start says so. */
  readonly protected: boolean;
}

export interface KeyProvider {
  /**
   * The key set; with `create`, made when there is none. With `encrypt` (default: as `create`) one that lies in plain is encrypted where a
   * passphrase was set since. A new one is durable on return; of processes that start together
   * all get the same. Idempotent; the caller does not retry. Throws `not-found` (none, and not to be made),
   * `forbidden` (open to others, or the passphrase is wrong or missing), `integrity` (damaged).
   */
  load(options: { readonly create: boolean; readonly encrypt?: boolean }): Promise<LoadedKeySet>;
  /**
   * Replaces the key set (rotation, recovery, another passphrase); with `create` only where there is none. Durable and atomic: a
   * crash leaves the old one or the new one. Not retried. Throws `conflict` (`create`, and there is one), `unavailable`.
   */
  save(keySet: KeySet, how: 'create' | 'replace'): Promise<void>;
  /**
   * Loads, edits and saves, as one step that no other `save` or `update`, of this process or another, comes between. Where `edit`
   * returns what it was given nothing is written. Resolves with what stands then. Throws as `load` and `save`, and what `edit`
   * throws; `busy` when others keep changing it.
   */
  update(edit: (current: KeySet) => KeySet): Promise<KeySet>;
}
