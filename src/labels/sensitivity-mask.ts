/**
 * Label sets as bits while a resource is walked: one bit for each sensitivity label and one for "restricted". Private to
 * `labels/`; nothing stored or sent has this form.
 */
import { SENSITIVITY_LABELS, labelSet, type Label, type LabelSet, type SensitivityLabel } from './label.ts';

/** Bit of each sensitivity label, in the order of SENSITIVITY_LABELS. */
export const BIT = Object.freeze({ PSY: 1, SUD: 2, HIV: 4, SEX: 8, SDV: 16, GEN: 32 }) satisfies Readonly<
  Record<SensitivityLabel, number>
>;

/** At least restricted (`R`). */
export const RESTRICTED = 64;

const SENSITIVE = 63;

/** Canonical set of a clinical record for each of the 128 masks. */
const CLINICAL_SETS: readonly LabelSet[] = Array.from({ length: 128 }, (_, mask) => {
  const found = SENSITIVITY_LABELS.filter((label) => (mask & BIT[label]) !== 0);
  if (found.length > 0) return labelSet(found);
  return labelSet([(mask & RESTRICTED) === 0 ? 'N' : 'R']);
});

/** The set of a clinical record: its sensitivity labels; without any `R` or `N`. */
export function clinicalSet(mask: number): LabelSet {
  return CLINICAL_SETS[mask & 127] ?? labelSet(['R']);
}

/** `base` and the sensitivity labels of the mask, and `R` where only that was asked: for demographics with a label of their own. */
export function extendedSet(base: Label, mask: number): LabelSet {
  if ((mask & SENSITIVE) !== 0) {
    return labelSet([base, ...SENSITIVITY_LABELS.filter((label) => (mask & BIT[label]) !== 0)]);
  }
  return labelSet((mask & RESTRICTED) === 0 ? [base] : [base, 'R']);
}

/** Bits of labels written as text: `PSY SUD`, `R`; the notation of the code lists. */
export function maskOf(labels: string): number {
  let mask = 0;
  for (const label of labels.split(' ')) {
    if (label === 'R') mask |= RESTRICTED;
    for (const known of SENSITIVITY_LABELS) if (known === label) mask |= BIT[known];
  }
  return mask;
}
