/** Sensitivity labels and label sets (DESIGN section 2, Lockbox): the unit by which keys and consent are divided. */
import type { Brand } from '../core/ids.ts';

export const SENSITIVITY_LABELS = ['PSY', 'SUD', 'HIV', 'SEX', 'SDV', 'GEN'] as const;
export type SensitivityLabel = (typeof SENSITIVITY_LABELS)[number];

/** Labels of records that have a patient. `HOLD:<id>` follows with withholding. */
export type PatientLabel = 'IDENT' | 'N' | 'R' | 'CONSENT' | SensitivityLabel;

/** Labels of lockboxes by purpose: AUDIT and RAW of a patient or of the gateway, the others of the gateway alone. */
export type GatewayLabel = 'RAW' | 'AUDIT' | 'DIRECTORY' | 'MANIFEST' | 'RESEARCH';

export type Label = PatientLabel | GatewayLabel;

/** Sorted, unique labels joined by a space: `HIV PSY`. The canonical name of a label set. */
export type LabelSet = Brand<string, 'LabelSet'>;

export function labelSet(labels: Iterable<Label>): LabelSet {
  return [...new Set(labels)].toSorted().join(' ') as LabelSet;
}

export function labelsIn(set: LabelSet): readonly Label[] {
  return set.split(' ') as Label[];
}
