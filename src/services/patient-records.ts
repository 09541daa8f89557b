/**
 * All records of one patient as they stand, type by type, for the gateway's own work. Internal records are not among them: they are
 * found by what refers to them.
 */
import { type SystemPermit } from '../consent/permit.ts';
import type { ResourceKey } from '../core/ids.ts';
import { RESOURCE_TYPES } from '../formats/fhir/definitions.ts';
import { subjectPaths } from '../formats/fhir/references.ts';
import { isTombstone, type StoredResource } from '../formats/fhir/resource.ts';
import { resourceKey, searchToken, type IndexSecret } from '../keys/index-secret.ts';
import { openCandidates } from '../record/open.ts';
import { typeToken } from '../search/tokens.ts';
import type { Keyring } from '../write/keyring.ts';
import { linesOf } from './patient-consents.ts';
import type { Candidate, RecordStore } from './record-store.ts';

/** Types that can belong to a patient, but Patient itself and the patient's trail, which stays what it was. */
const TYPES = [...RESOURCE_TYPES].filter((type) => type !== 'AuditEvent' && subjectPaths(type).length > 0);
const SCAN = 100;

interface Deps {
  readonly records: Pick<RecordStore, 'scan' | 'places' | 'size'>;
  readonly keyring: Pick<Keyring, 'gatewaySecret' | 'patientSecrets' | 'byLeaf'>;
}

/** Each current record once, tombstones left out, at the size of the log now. A patient without a secret has none. */
export async function* recordsOf(
  deps: Deps,
  permit: SystemPermit,
  patient: ResourceKey,
): AsyncGenerator<StoredResource, void> {
  const secret = (await deps.keyring.patientSecrets([patient])).get(patient);
  if (secret === undefined) return;
  const size = await deps.records.size();
  for (const type of TYPES) yield* recordsOfType(deps, permit, patient, secret, type, size);
}

async function* recordsOfType(
  deps: Deps,
  permit: SystemPermit,
  patient: ResourceKey,
  secret: IndexSecret,
  type: string,
  size: number,
): AsyncGenerator<StoredResource, void> {
  const lists = [[searchToken(secret, typeToken(type))]];
  let after: Pick<Candidate, 'sortTime' | 'group'> | undefined;
  for (;;) {
    const rows = await deps.records.scan({ lists, size, limit: SCAN, ...(after && { after }) });
    const boxes = await deps.keyring.byLeaf(rows.map(({ lockbox }) => lockbox));
    const found = rows.flatMap((row) => {
      const box = boxes.get(row.lockbox);
      if (box === undefined || box.patient !== patient) return [];
      const lines = linesOf(row.mask);
      return openCandidates(permit, box, row.body, lines).flatMap((resource, i) =>
        resource === undefined || resource.resourceType !== type || isTombstone(resource)
          ? []
          : [
              {
                resource,
                group: row.group,
                line: lines[i],
                key: resourceKey(deps.keyring.gatewaySecret, type, resource.id),
              },
            ],
      );
    });
    const places = await deps.records.places(
      found.map(({ key }) => key),
      size,
    );
    for (const { resource, group, line, key } of found) {
      const place = places.get(key);
      if (place?.group === group && place.line === line) yield resource;
    }
    after = rows.at(-1);
    if (rows.length < SCAN) return;
  }
}
