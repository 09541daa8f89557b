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

/** As `tryUnwrap`. Throws `integrity` when no master opens it. */
export function unwrap(masters: readonly KeyObject[], packed: Buffer): Buffer {
  const plaintext = tryUnwrap(masters, packed);
  if (plaintext === undefined)
    throw new GatewayError('integrity', 'a key is sealed under a master that is not in the key file');
  return plaintext;
}
