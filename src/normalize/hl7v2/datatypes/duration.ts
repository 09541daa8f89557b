/** A number with a unit of time (SCH-9 and 10, AIS-7 and 8) to minutes. Empty units are minutes; unknown ones are no duration. */
import { codeTable } from '../../../core/code-table.ts';
import { firstOf, textOf, type Context } from '../context.ts';

const MINUTES: Readonly<Record<string, number>> = codeTable({
  '': 1,
  M: 1,
  MIN: 1,
  MINS: 1,
  MINUTE: 1,
  MINUTES: 1,
  S: 1 / 60,
  SEC: 1 / 60,
  SECONDS: 1 / 60,
  H: 60,
  HR: 60,
  HOUR: 60,
  HOURS: 60,
  D: 1440,
  DAY: 1440,
  DAYS: 1440,
});

/** Minutes, more than 0 and at most a year; undefined otherwise. */
export function minutesOf(context: Context, rawNumber: string, rawUnit: string): number | undefined {
  const text = textOf(context, rawNumber);
  if (text === undefined || !/^\d{1,6}(\.\d{1,3})?$/.test(text)) return undefined;
  const minutes = Number(text) * (MINUTES[(firstOf(context, rawUnit) ?? '').toUpperCase()] ?? 0);
  return minutes > 0 && minutes <= 525_600 ? minutes : undefined;
}
