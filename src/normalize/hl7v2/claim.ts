/**
 * Takes the segments that stand for something of their own (AL1, DG1, PR1, IN1, AIS ...) out of a message, each with what
 * hangs on it: its notes, its roles, its continuations. What is left (PID, PV1, ORC, OBR, OBX and their notes) goes on to
 * `group.ts`. Without this a note behind DG1 would be taken for one of the result before.
 */
import type { Segment } from '../../formats/hl7v2/message.ts';
import { countUnmapped, type Conversion } from './structure.ts';

/** What may hang on a segment. */
export interface ClaimRule {
  readonly notes?: boolean;
  /** ROL and PRT. */
  readonly roles?: boolean;
  /** Segments that continue it: IN2 of IN1. */
  readonly below?: readonly string[];
}

export interface Claimed {
  readonly segment: Segment;
  /** Number among its kind in the message, from 1, for locations. */
  readonly number: number;
  readonly notes: readonly Segment[];
  readonly roles: readonly Segment[];
  readonly below: readonly Segment[];
}

export interface Claims {
  /** In the order of the message. */
  readonly all: readonly Claimed[];
  /** ROL and PRT behind PID or PV1. */
  readonly rolesOfPatient: readonly Segment[];
  readonly rolesOfVisit: readonly Segment[];
  /** Segments that nobody claimed. */
  readonly rest: readonly Segment[];
}

/** Segments after which ROL, PRT and NTE belong to something else. */
const ANCHORS = new Set(['PID', 'PV1', 'ORC', 'OBR', 'OBX', 'SPM', 'SCH', 'TXA']);

interface Open extends Claimed {
  readonly rule: ClaimRule;
  readonly notes: Segment[];
  readonly roles: Segment[];
  readonly below: Segment[];
}

/** `rules`: by segment identifier. What hangs on a claimed segment without a rule for it is counted as unmapped. */
export function claimSegments({ context, unmapped }: Conversion, rules: Readonly<Record<string, ClaimRule>>): Claims {
  const all: Open[] = [];
  const rest: Segment[] = [];
  const rolesOf: Record<string, Segment[]> = { PID: [], PV1: [] };
  const counts = new Map<string, number>();
  let owner: Open | undefined;
  let anchor = '';
  for (const segment of context.message.segments) {
    const { id } = segment;
    const rule = Object.hasOwn(rules, id) ? rules[id] : undefined;
    if (rule !== undefined) {
      const number = (counts.get(id) ?? 0) + 1;
      counts.set(id, number);
      owner = { segment, number, rule, notes: [], roles: [], below: [] };
      all.push(owner);
    } else if (id === 'ROL' || id === 'PRT') {
      const roles = owner === undefined ? rolesOf[anchor] : owner.rule.roles === true ? owner.roles : undefined;
      if (roles !== undefined) roles.push(segment);
      // Behind an order or a result it is read with it.
      else if (owner === undefined) rest.push(segment);
      else countUnmapped(unmapped, id);
    } else if (id === 'NTE' && owner !== undefined) {
      if (owner.rule.notes === true) owner.notes.push(segment);
      else countUnmapped(unmapped, id);
    } else if (owner?.rule.below?.includes(id) === true) {
      owner.below.push(segment);
    } else {
      rest.push(segment);
      if (ANCHORS.has(id)) {
        owner = undefined;
        anchor = id;
      }
    }
  }
  return { all, rolesOfPatient: rolesOf.PID, rolesOfVisit: rolesOf.PV1, rest };
}

/** Those of one kind. */
export function claimedOf(claims: Claims, id: string): readonly Claimed[] {
  return claims.all.filter(({ segment }) => segment.id === id);
}
