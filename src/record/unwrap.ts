/** Opens what is sealed under a master key, during a rotation of it under whichever of them. */
import type { KeyObject } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import { unsealGroup } from './sealed-group.ts';

/** The plaintext, by the first master that opens it; undefined when none does. `masters`: the current one first. */
export function tryUnwrap(masters: readonly KeyObject[], packed: Buffer): Buffer | undefined {
  for (const master of masters) {
    try {
      return unsealGroup(master, packed).plaintext;
    } catch {
      // the next one
    }
  }
  return undefined;
}

/**
 * As `tryUnwrap`. Throws `integrity` when no master opens it; `what` names the sealed thing in the message. A process that runs
 * knows the masters that it has loaded, not those that the key file has by now: the message names both ways out.
 */
export function unwrap(masters: readonly KeyObject[], packed: Buffer, what = 'a key'): Buffer {
  const plaintext = tryUnwrap(masters, packed);
  if (plaintext === undefined)
    throw new GatewayError(
      'integrity',
      `${what} is sealed under a master key that this process has not loaded: if the key file was changed after it began, start it again; if the key file is older than the database, restore the newest one`,
    );
  return plaintext;
}
