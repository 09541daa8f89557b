/**
 * `provision.securityLabel` against a record's labels. Confidentiality is a high-water mark (R4: "applies to all
 * resources that are labeled R or lower"), read for each direction so that it fails closed: a permission reaches the
 * named level and what is below, a denial the named level and what is above. Sensitivity codes: a permission must cover
 * every label of the record (the lockbox of HIV and PSY needs both), a denial need touch only one.
 */
import type { Coding, Resource } from '../formats/fhir/resource.ts';
import { SENSITIVITY_LABELS, type Label } from '../labels/label.ts';
import { confidentialityCode, isActCode, labelsOfSensitivityCode } from '../labels/security-codes.ts';
import type { Match } from './consent-codes.ts';
import type { RuleType } from './model.ts';

/** v3-Confidentiality from low to high. */
const LEVELS = ['U', 'L', 'M', 'N', 'R', 'V'];
const NORMAL = LEVELS.indexOf('N');
const RESTRICTED = LEVELS.indexOf('R');
const VERY = LEVELS.indexOf('V');

const SENSITIVITY: readonly Label[] = SENSITIVITY_LABELS;

function sensitivityOf(labels: readonly Label[]): readonly Label[] {
  return labels.filter((label) => SENSITIVITY.includes(label));
}

/** Lowest and highest confidentiality that the record can have, as far as its labels (and content, when opened) tell. */
function levelRange(labels: readonly Label[], resource: Resource | undefined): readonly [low: number, high: number] {
  const sensitive = sensitivityOf(labels).length > 0;
  const low = sensitive || labels.includes('R') || labels.includes('CONSENT') ? RESTRICTED : NORMAL;
  if (resource === undefined) return [low, low === NORMAL ? NORMAL : VERY];
  const very = resource.meta?.security?.some((coding) => confidentialityCode(coding) === 'V') === true;
  return very ? [VERY, VERY] : [low, low];
}

function hasCoding(resource: Resource, coding: Coding): boolean {
  return resource.meta?.security?.some((own) => own.code === coding.code && own.system === coding.system) === true;
}

/** A permission: which sensitivity labels of the record the codes cover, and up to which confidentiality. */
function permitMatch(codes: readonly Coding[], labels: readonly Label[], resource: Resource | undefined): Match {
  const sensitive = sensitivityOf(labels);
  let result: Match = 'no';
  const better = (match: Match): void => {
    if (match === 'yes' || result === 'no' || (match === 'later' && result === 'unknown')) result = match;
  };
  const covered = new Set<string>();
  const coveredIfMarked = new Set<string>();
  for (const coding of codes) {
    const level = confidentialityCode(coding);
    if (level !== undefined) {
      if (sensitive.length > 0) continue;
      const named = LEVELS.indexOf(level);
      const [low, high] = levelRange(labels, resource);
      better(high <= named ? 'yes' : low <= named && resource === undefined ? 'later' : 'no');
      continue;
    }
    const meant =
      coding.code === undefined || !isActCode(coding) ? undefined : labelsOfSensitivityCode(coding.code)?.split(' ');
    if (meant === undefined) {
      // A code of another system is met by a record that carries that very label, and that has no sensitivity beside it.
      if (sensitive.length === 0) better(resource === undefined ? 'later' : hasCoding(resource, coding) ? 'yes' : 'no');
    } else if (meant.length > 1 || meant[0] === coding.code) {
      for (const label of meant) covered.add(label);
    } else if (resource === undefined || hasCoding(resource, coding)) {
      // A finer code (PSYTHPN below PSY) covers only what is marked with it.
      for (const label of meant) coveredIfMarked.add(label);
    }
  }
  if (sensitive.length > 0) {
    if (sensitive.every((label) => covered.has(label))) return 'yes';
    if (sensitive.every((label) => covered.has(label) || coveredIfMarked.has(label)))
      return resource === undefined ? 'later' : 'yes';
  }
  return result;
}

/** A denial: whether one of the codes touches the record. */
function denyMatch(codes: readonly Coding[], labels: readonly Label[], resource: Resource | undefined): Match {
  let result: Match = 'no';
  for (const coding of codes) {
    const level = confidentialityCode(coding);
    if (level !== undefined) {
      const named = LEVELS.indexOf(level);
      const [low, high] = levelRange(labels, resource);
      if (low >= named) return 'yes';
      if (high >= named) result = 'later';
      continue;
    }
    const meant =
      coding.code === undefined || !isActCode(coding) ? undefined : labelsOfSensitivityCode(coding.code)?.split(' ');
    if (meant !== undefined) {
      // A finer code reaches its whole label: what a code list labelled does not say how fine it is.
      if (labels.some((label) => meant.includes(label))) return 'yes';
    } else if (coding.code === undefined || isActCode(coding)) {
      if (result === 'no') result = 'unknown';
    } else if (resource === undefined) {
      result = 'later';
    } else if (hasCoding(resource, coding)) {
      return 'yes';
    }
  }
  return result;
}

/** Whether the labels of a record meet the security labels of a provision. `later` only while the record is closed. */
export function labelMatch(
  type: RuleType,
  codes: readonly Coding[],
  labels: readonly Label[],
  resource: Resource | undefined,
): Match {
  return type === 'permit' ? permitMatch(codes, labels, resource) : denyMatch(codes, labels, resource);
}
