/**
 * The logical id behind a patient's keyed digest, for audit events about records that stayed closed. Read from the Patient
 * itself under a system permit, and kept, since the id of a key never changes.
 */
import { systemPermit } from '../consent/permit.ts';
import type { ResourceKey } from '../core/ids.ts';
import { Lru } from '../core/lru.ts';
import { openLines } from '../record/open.ts';
import type { Keyring } from '../write/keyring.ts';
import type { RecordStore } from './record-store.ts';

const KEPT = 50_000;

export interface PatientIds {
  /** Undefined when no Patient resource has this key here. */
  idOf(patient: ResourceKey): Promise<string | undefined>;
  /** Enters an id that an opened record told. */
  learn(patient: ResourceKey, id: string): void;
}

export function patientIds(deps: { readonly records: RecordStore; readonly keyring: Keyring }): PatientIds {
  const known = new Lru<ResourceKey, string>(KEPT);
  return {
    learn: (patient, id) => known.set(patient, id),
    async idOf(patient) {
      const kept = known.get(patient);
      if (kept !== undefined) return kept;
      const stored = (await deps.records.current([patient])).get(patient);
      if (stored === undefined) return undefined;
      const lockbox = (await deps.keyring.byLeaf([stored.lockbox])).get(stored.lockbox);
      if (lockbox === undefined) return undefined;
      const [opened] = openLines(systemPermit('render'), lockbox, stored.body, [stored], deps.keyring.gatewaySecret);
      if (opened !== undefined) known.set(patient, opened.id);
      return opened?.id;
    },
  };
}
