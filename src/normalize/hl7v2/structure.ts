/** What every message structure is given, and how it answers: it adds Changes and counts the segments it made nothing of. */
import type { ChangeList } from './change-list.ts';
import type { Context } from './context.ts';

/** One message on its way through its structure. */
export interface Conversion {
  readonly context: Context;
  readonly list: ChangeList;
  /** MSH-9.2, or EVN-1 where that is empty. */
  readonly event: string;
  /** MSH-7, milliseconds since 1970, not later than the time of arrival. */
  readonly sourceTime: number;
  /** Keys given so far, to number what nothing tells apart. */
  readonly used: Map<string, number>;
  /** Segment identifiers that nothing was made of, with how often they came. */
  readonly unmapped: Map<string, number>;
}

/** Converts one message structure. Throws GatewayError with the place in the message. */
export type Structure = (conversion: Conversion) => void;

/** Counts a segment that nothing was made of. */
export function countUnmapped(unmapped: Map<string, number>, id: string): void {
  unmapped.set(id, (unmapped.get(id) ?? 0) + 1);
}

/** The same message, of which only some segments are still to be read. */
export function restOf(conversion: Conversion, segments: Context['message']['segments']): Conversion {
  return { ...conversion, context: { ...conversion.context, message: { ...conversion.context.message, segments } } };
}
