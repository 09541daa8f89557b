/**
 * Repeat patterns (RPT, HL7 table 0335) to Timing (map RPT[Timing]): what the pattern means, and its code. What is not
 * understood keeps its code and means nothing: a wrong frequency is worse than none.
 */
import { codeTable } from '../../core/code-table.ts';
import { compact, present, type Element } from './context.ts';
import { V2_TABLE } from './datatypes/codeable-concept.ts';
import { timeUnit } from './datatypes/quantity.ts';

const ABBREVIATION = 'http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation';

/** Codes that v3-GTSAbbreviation has too. */
const ABBREVIATIONS = new Set('Q1H Q2H Q3H Q4H Q6H Q8H QD BID TID QID QOD AM PM BED WK MO'.split(' '));

/** Letters of `Q<n><letter>` to UCUM units. */
const STEPS: Readonly<Record<string, string>> = codeTable({ S: 's', M: 'min', H: 'h', D: 'd', W: 'wk', L: 'mo' });

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** Events of table 0528 that R4 has; those between meals (IC) it has not. `C` is none: table 0335 means "continuously" by it. */
const EVENTS = new Set('HS AC PC ACM ACD ACV PCM PCD PCV'.split(' '));

/** Patterns with a meaning of their own: frequency, period, unit, and the event they hang on. */
const NAMED: Readonly<Record<string, Element>> = codeTable<Element>({
  ONCE: { count: 1 },
  QD: { frequency: 1, period: 1, periodUnit: 'd' },
  DAILY: { frequency: 1, period: 1, periodUnit: 'd' },
  BID: { frequency: 2, period: 1, periodUnit: 'd' },
  TID: { frequency: 3, period: 1, periodUnit: 'd' },
  QID: { frequency: 4, period: 1, periodUnit: 'd' },
  QOD: { frequency: 1, period: 2, periodUnit: 'd' },
  QAM: { frequency: 1, period: 1, periodUnit: 'd', when: ['MORN'] },
  QPM: { frequency: 1, period: 1, periodUnit: 'd', when: ['EVE'] },
  QHS: { frequency: 1, period: 1, periodUnit: 'd', when: ['HS'] },
  HS: { frequency: 1, period: 1, periodUnit: 'd', when: ['HS'] },
  QSHIFT: { frequency: 1, period: 8, periodUnit: 'h' },
});

export interface RepeatPattern {
  /** Members of Timing.repeat. */
  readonly repeat: Element;
  readonly code: Element | undefined;
  /** True for PRN and its kin. */
  readonly asNeeded: boolean;
}

/** One RPT by the texts of its components (RPT.1 first); an RI has the first alone. */
export function repeatPattern(parts: readonly (string | undefined)[]): RepeatPattern {
  const [text] = parts;
  const name = text?.toUpperCase() ?? '';
  const asNeeded = /^PRN|PRN$/.test(name);
  const bare = asNeeded ? name.replace(/^PRN\s*|\s*PRN$/g, '') : name;
  return { repeat: { ...meaningOf(bare), ...statedOf(parts) }, code: codeOf(text), asNeeded };
}

function codeOf(text: string | undefined): Element | undefined {
  if (text === undefined) return undefined;
  const system = ABBREVIATIONS.has(text.toUpperCase()) ? ABBREVIATION : `${V2_TABLE}0335`;
  return compact({ coding: [{ system, code: text.replace(/\s+/g, ' ') }] });
}

/** Several RPT are one after the other (`QAM~QHS`): together they mean something where they hang on different events alone. */
export function joinedPatterns(patterns: readonly RepeatPattern[]): RepeatPattern {
  if (patterns.length === 1) return patterns[0];
  const texts = present(patterns.map(({ code }) => patternText(code)));
  const frames = new Set(patterns.map(({ repeat }) => JSON.stringify({ ...repeat, when: undefined })));
  const events = patterns.flatMap(({ repeat }) => (Array.isArray(repeat.when) ? repeat.when : []));
  const isOne =
    frames.size === 1 && patterns.every(({ repeat }) => repeat.when !== undefined && repeat.offset === undefined);
  return {
    repeat: isOne ? { ...patterns[0].repeat, when: [...new Set(events)] } : {},
    code: texts.length === 0 ? undefined : { text: texts.join(', ') },
    asNeeded: patterns.some((pattern) => pattern.asNeeded),
  };
}

function patternText(code: Element | undefined): string | undefined {
  const [coding] = Array.isArray(code?.coding) ? code.coding : [];
  return typeof coding?.code === 'string' ? coding.code : undefined;
}

function meaningOf(name: string): Element {
  const known = NAMED[name];
  if (known !== undefined) return known;
  const every = /^Q([1-9]\d{0,3})(?:-([1-9]\d{0,3}))?([SMHDWL])$/.exec(name);
  if (every !== null) {
    const [, from, to, letter] = every;
    const periodMax = to === undefined ? undefined : Number(to);
    if (periodMax !== undefined && periodMax < Number(from)) return {};
    return compact({ frequency: 1, period: Number(from), periodMax, periodUnit: STEPS[letter] });
  }
  const weekly = /^Q([1-9]\d?)J([1-7]{1,7})$/.exec(name);
  if (weekly !== null) {
    const dayOfWeek = [...new Set(weekly[2])].map((day) => DAYS[Number(day) - 1]);
    return { period: Number(weekly[1]), periodUnit: 'wk', dayOfWeek };
  }
  const daily = /^([5-9]|[1-4]\d)ID$/.exec(name);
  if (daily !== null) return { frequency: Number(daily[1]), period: 1, periodUnit: 'd' };
  return EVENTS.has(name) ? { when: [name] } : {};
}

/** What RPT.2 to RPT.10 say beside the code: days of the week, period, event and its offset. */
function statedOf(parts: readonly (string | undefined)[]): Element {
  const [, alignment, first, last, quantity, unit, , event, offset, offsetUnit] = parts;
  const period = number(quantity);
  const periodUnit = timeUnit(unit);
  const when = EVENTS.has(event ?? '') ? event : undefined;
  const days = alignment === 'DW' ? daysFrom(number(first), number(last)) : [];
  return compact({
    ...(period !== undefined && periodUnit !== undefined && { period, periodUnit }),
    dayOfWeek: days,
    ...(when !== undefined && { when: [when], offset: minutesFrom(number(offset), timeUnit(offsetUnit)) }),
  });
}

function number(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined;
}

/** RPT.3 to RPT.4, days of the week from 1, Monday. */
function daysFrom(first: number | undefined, last = first): string[] {
  return first === undefined || last === undefined ? [] : DAYS.slice(first - 1, last);
}

/** Timing.repeat.offset is in minutes. */
function minutesFrom(offset: number | undefined, unit: string | undefined): number | undefined {
  if (offset === undefined) return undefined;
  return unit === 'min' ? offset : unit === 'h' ? offset * 60 : undefined;
}
