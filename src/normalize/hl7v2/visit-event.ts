/**
 * What each ADT event says about the visit (chapter 3; the event map of the guide knows eight of them). The order of
 * arrival plays no part: an older message never reaches an Encounter that a newer one has stated.
 */

export interface VisitRule {
  /** Status that the event states; `class`: the one of PV1-2; undefined: it states none. */
  readonly status?: string;
  /** Statuses that it leaves as they are. */
  readonly keeps: readonly string[];
  /** True when the event makes a visit of its own where PV1 names neither number nor time of admission. */
  readonly begins?: boolean;
  /** True when PV1-45 does not end the visit: the event takes admission or discharge back. */
  readonly takesBack?: boolean;
  /** True when end, disposition and destination of the visit are deleted. */
  readonly reopens?: boolean;
  /** PV1 fields of places that the event takes back. */
  readonly withoutPlaces?: readonly number[];
  /** True when the visit is only a copy that fills what is not known. */
  readonly repeats?: boolean;
  /** True when a message without PV1 is complete. */
  readonly withoutVisit?: boolean;
}

/** Statuses that end a visit: only events that take something back leave them. */
const ENDED = ['finished', 'cancelled', 'entered-in-error'];
const WITHDRAWN = ['cancelled', 'entered-in-error'];
const BEGUN = ['arrived', 'triaged', 'in-progress', 'onleave', ...ENDED];

const SAYS_NOTHING: VisitRule = { keeps: ENDED };
const PERSON: VisitRule = { keeps: ENDED, withoutVisit: true };
const ADMITS: VisitRule = { status: 'class', keeps: ENDED, begins: true };
const PLANS: VisitRule = { status: 'planned', keeps: BEGUN, begins: true };
/** Nothing is cancelled that has begun: A27 and A38 speak of the plan. */
const CANCELS_PLAN: VisitRule = {
  status: 'cancelled',
  keeps: BEGUN.filter((status) => status !== 'cancelled'),
  takesBack: true,
};

/** By trigger event; `context`: a result, document or charge that repeats the visit; `planned`: an appointment. */
export const VISIT_RULES = {
  context: { keeps: ENDED, repeats: true },
  planned: { status: 'planned', keeps: BEGUN, repeats: true },
  A01: ADMITS,
  A02: { status: 'in-progress', keeps: ENDED },
  A03: { status: 'finished', keeps: WITHDRAWN, begins: true },
  A04: ADMITS,
  A05: PLANS,
  A06: ADMITS,
  A07: ADMITS,
  A08: PERSON,
  A09: SAYS_NOTHING,
  A10: SAYS_NOTHING,
  // An admission that never was, even when it has been closed since.
  A11: { status: 'cancelled', keeps: ['entered-in-error'], takesBack: true },
  A12: { keeps: ENDED, withoutPlaces: [6, 42] },
  A13: { status: 'in-progress', keeps: WITHDRAWN, takesBack: true, reopens: true },
  A14: PLANS,
  A15: SAYS_NOTHING,
  A16: SAYS_NOTHING,
  A17: SAYS_NOTHING,
  A21: { status: 'onleave', keeps: ENDED },
  A22: { status: 'in-progress', keeps: ENDED },
  A23: { status: 'entered-in-error', keeps: [], takesBack: true },
  A25: SAYS_NOTHING,
  A26: { keeps: ENDED, withoutPlaces: [42] },
  A27: CANCELS_PLAN,
  A28: PERSON,
  A29: PERSON,
  A31: PERSON,
  A32: SAYS_NOTHING,
  A33: SAYS_NOTHING,
  A38: CANCELS_PLAN,
  // The visit that survives is one, also where an earlier merge had ended it.
  A42: { status: 'class', keeps: [...BEGUN, 'planned', 'unknown'].filter((status) => status !== 'entered-in-error') },
  A45: SAYS_NOTHING,
  A50: SAYS_NOTHING,
  A51: SAYS_NOTHING,
  A52: { status: 'in-progress', keeps: ENDED },
  A53: { status: 'onleave', keeps: ENDED },
  A54: SAYS_NOTHING,
  A55: SAYS_NOTHING,
  A60: PERSON,
  A61: SAYS_NOTHING,
  A62: SAYS_NOTHING,
} as const satisfies Readonly<Record<string, VisitRule>>;

export type VisitEvent = keyof typeof VISIT_RULES;

/** The rule of an event. */
export function visitRule(event: VisitEvent): VisitRule {
  return VISIT_RULES[event];
}
