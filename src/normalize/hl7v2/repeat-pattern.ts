/** Repeat patterns (HL7 table 0335) to Timing: what the pattern means, and its code. */
import { codeTable } from '../../core/code-table.ts';
import { compact, type Element } from './context.ts';
import { V2_TABLE } from './datatypes/codeable-concept.ts';

const ABBREVIATION = 'http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation';

/** Codes that v3-GTSAbbreviation has too. */
const ABBREVIATIONS = new Set('Q1H Q2H Q3H Q4H Q6H Q8H QD BID TID QID QOD AM PM BED WK MO'.split(' '));

/** Letters of `Q<n><letter>` to UCUM units. */
const STEPS: Readonly<Record<string, string>> = codeTable({ S: 's', M: 'min', H: 'h', D: 'd', W: 'wk', L: 'mo' });

/** Patterns with a meaning of their own: frequency, period, unit, and the event they hang on. */
const NAMED: Readonly<Record<string, Element>> = codeTable({
  ONCE: { count: 1 },
  QD: { frequency: 1, period: 1, periodUnit: 'd' },
  BID: { frequency: 2, period: 1, periodUnit: 'd' },
  TID: { frequency: 3, period: 1, periodUnit: 'd' },
  QID: { frequency: 4, period: 1, periodUnit: 'd' },
  QOD: { frequency: 1, period: 2, periodUnit: 'd' },
  QAM: { frequency: 1, period: 1, periodUnit: 'd', when: ['MORN'] },
  QPM: { frequency: 1, period: 1, periodUnit: 'd', when: ['EVE'] },
  QHS: { frequency: 1, period: 1, periodUnit: 'd', when: ['HS'] },
  QSHIFT: { frequency: 1, period: 8, periodUnit: 'h' },
});

export interface RepeatPattern {
  /** Members of Timing.repeat. */
  readonly repeat: Element;
  readonly code: Element | undefined;
  /** True for PRN and its kin. */
  readonly asNeeded: boolean;
}

/** A pattern of table 0335; what is not understood keeps its code. */
export function repeatPattern(text: string | undefined): RepeatPattern {
  if (text === undefined) return { repeat: {}, code: undefined, asNeeded: false };
  const name = text.toUpperCase();
  const asNeeded = name.startsWith('PRN');
  const rest = asNeeded ? name.slice(3) : name;
  const system = ABBREVIATIONS.has(name) ? ABBREVIATION : `${V2_TABLE}0335`;
  return {
    repeat: meaningOf(rest),
    code: compact({ coding: [{ system, code: text.replace(/\s+/g, ' ') }] }),
    asNeeded,
  };
}

function meaningOf(name: string): Element {
  const known = NAMED[name];
  if (known !== undefined) return known;
  const every = /^Q([1-9]\d{0,3})([SMHDWL])$/.exec(name);
  if (every !== null) return { frequency: 1, period: Number(every[1]), periodUnit: STEPS[every[2]] };
  const daily = /^([5-9]|[1-4]\d)ID$/.exec(name);
  return daily === null ? {} : { frequency: Number(daily[1]), period: 1, periodUnit: 'd' };
}
