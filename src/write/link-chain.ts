/** Whether patients are one person, over any chain of merges and links. */
import type { ResourceKey } from '../core/ids.ts';
import type { PatientLink } from './ports.ts';

/** True when a chain of links that stand leads from one patient to the other. */
export function isLinked(links: readonly PatientLink[], patient: ResourceKey, other: ResourceKey): boolean {
  const seen = new Set([patient]);
  for (const at of seen) {
    if (at === other) return true;
    for (const link of links) if (link.patient === at && link.kind !== 'none') seen.add(link.other);
  }
  return false;
}
