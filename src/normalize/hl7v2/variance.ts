/** Notes of problems, goals and pathways: NTE, and VAR, which says what went otherwise than planned. The guide has no map for it: ours. */
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Claimed } from './claim.ts';
import type { ClinicalFrame } from './clinical.ts';
import { compact, dateTimeOf, present, textOf, type Element } from './context.ts';
import { conceptText } from './medication-request.ts';
import { authorOf, notesOf } from './observation.ts';

/** NTE as they are; VAR-6, else VAR-5, with who said so (VAR-4) and when (VAR-3, else VAR-2). Undefined without any. */
export function planNotes({ context, list }: ClinicalFrame, { notes, below }: Claimed): Element[] | undefined {
  const variances = below.map((segment) => {
    const lines = present(repetitions(segment.field(6), context.by).map((raw) => textOf(context, raw)));
    const text = lines.length > 0 ? lines.join('\n') : conceptText(context, segment.field(5));
    if (text === undefined) return undefined;
    const [author] = present(repetitions(segment.field(4), context.by).map((raw) => list.practitioner(context, raw)));
    const time = dateTimeOf(context, segment.field(3) || segment.field(2), 'VAR-3');
    return { ...authorOf(author), ...compact({ time }), text };
  });
  const all = [...(notesOf(context, notes, list) ?? []), ...present(variances)];
  return all.length === 0 ? undefined : all;
}
