/** Coded fields whose system and text stand in fields beside them: DG1-2 to 4, PR1-2 to 4. */
import type { Segment } from '../../formats/hl7v2/message.ts';
import { firstOf, type Context, type Element } from './context.ts';
import { codeSystemOf, conceptOf } from './datatypes/codeable-concept.ts';

/** Field 3 with the coding method of field 2 where it names none, and the description of field 4. */
export function describedConcept(context: Context, segment: Segment): Element | undefined {
  const method = firstOf(context, segment.field(2));
  const system = method === undefined ? undefined : codeSystemOf(context, method);
  const concept = conceptOf(context, segment.field(3), system);
  const text = firstOf(context, segment.field(4));
  if (concept === undefined) return text === undefined ? undefined : { text };
  return text === undefined ? concept : { ...concept, text };
}
