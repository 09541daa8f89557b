/**
 * Reports of very many results (ours; the official map has no limit): a DiagnosticReport that names 31,000 Observations is no
 * resource that anybody can read. Beyond PANEL_MAX_RESULTS the results are named by panels, Observations with `hasMember` and
 * without a value, and the report names the panels.
 */
import { codeTable } from '../../core/code-table.ts';
import { PANEL_MAX_RESULTS } from '../../core/limits.ts';
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import type { ChangeList } from './change-list.ts';
import type { Element } from './context.ts';

/** DiagnosticReport.status to Observation.status, where they differ. */
const STATUS: Readonly<Record<string, string>> = codeTable({ partial: 'preliminary', appended: 'amended' });

export interface PanelFrame {
  /** Key of the report. */
  readonly key: BusinessKey;
  /** DiagnosticReport.status. */
  readonly status: string;
  /** `meta`, `code`, `subject` and what else report and panels have in common. */
  readonly elements: Element;
  readonly sourceTime: number;
}

/** What the report names: the results themselves, or panels of them that are added to the list. */
export function namedResults(list: ChangeList, results: readonly Element[], frame: PanelFrame): readonly Element[] {
  if (results.length <= PANEL_MAX_RESULTS) return results;
  const { key, status, elements, sourceTime } = frame;
  const count = Math.ceil(results.length / PANEL_MAX_RESULTS);
  return Array.from({ length: count }, (_, i) => {
    const index = list.add({
      type: 'Observation',
      keys: [['panel', ...key, String(i + 1)]],
      set: { resourceType: 'Observation', ...elements, status: STATUS[status] ?? status },
      append: { hasMember: results.slice(i * PANEL_MAX_RESULTS, (i + 1) * PANEL_MAX_RESULTS) },
      sourceTime,
    });
    return { reference: changeReference(index) };
  });
}
