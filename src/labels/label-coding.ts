/** Sensitivity labels as the codes that a FHIR client knows them by, for `meta.security`. */
import type { Coding, Resource } from '../formats/fhir/resource.ts';
import { labelsIn, type Label, type LabelSet } from './label.ts';
import { ACT_CODE_SYSTEM, CONFIDENTIALITY_SYSTEM } from './security-codes.ts';

/** Labels that ask for nothing have none. */
const CODINGS: Partial<Record<Label, Coding>> = {
  R: { system: CONFIDENTIALITY_SYSTEM, code: 'R', display: 'restricted' },
  PSY: { system: ACT_CODE_SYSTEM, code: 'PSY' },
  SUD: { system: ACT_CODE_SYSTEM, code: 'SUD' },
  HIV: { system: ACT_CODE_SYSTEM, code: 'HIV' },
  SEX: { system: ACT_CODE_SYSTEM, code: 'SEX' },
  SDV: { system: ACT_CODE_SYSTEM, code: 'SDV' },
  GEN: { system: ACT_CODE_SYSTEM, code: 'GDIS' },
};

/** The security labels that a resource carries, and after them those of the label set that it does not carry yet. */
export function securityOf(resource: Resource, labels: LabelSet): readonly Coding[] {
  const known = resource.meta?.security ?? [];
  const added = labelsIn(labels).flatMap((label) => {
    const coding = CODINGS[label];
    return coding === undefined || known.some(({ system, code }) => system === coding.system && code === coding.code)
      ? []
      : [coding];
  });
  return [...known, ...added];
}
