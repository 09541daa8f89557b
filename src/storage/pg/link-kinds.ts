/** The numbers of `patient_link` (migration 12) and what they mean. */
import type { LinkKind } from '../../write/ports.ts';

/** By number. */
export const LINK_KINDS: readonly LinkKind[] = ['none', 'replaced-by', 'replaces', 'seealso'];

const WAS_ACTIVE: readonly (boolean | undefined)[] = [undefined, true, false];

export function wasActiveNumber(active: boolean | undefined): number {
  return WAS_ACTIVE.indexOf(active);
}

export function wasActiveOf(number: number): boolean | undefined {
  return WAS_ACTIVE[number];
}
