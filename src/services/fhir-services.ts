/** What the FHIR edge needs, made from stores, keys and the writer: one value that is the `deps` of every reading and writing service. */
import type { Policy } from '../consent/policy.ts';
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import type { BlobStore } from '../record/blob-store.ts';
import type { Keyring } from '../write/keyring.ts';
import type { Writer } from '../write/submission.ts';
import type { AccessWriter } from '../write/writer.ts';
import { accessDecider } from './decide-access.ts';
import type { MessageStore } from './message-store.ts';
import { patientConsents } from './patient-consents.ts';
import { patientIds } from './patient-ids.ts';
import { accessRecorder } from './record-access.ts';
import type { RecordStore } from './record-store.ts';
import type { BinaryDeps } from './read-binary.ts';
import type { SearchDeps } from './search-request.ts';
import type { WriteDeps } from './write-changes.ts';

export interface FhirServicesDeps {
  readonly records: RecordStore;
  /** Documents and payloads, for what is rendered from manifests. */
  readonly messages: MessageStore;
  /** Where the content of large documents lies. */
  readonly blobs: BlobStore;
  readonly keyring: Keyring;
  readonly writer: Writer & AccessWriter;
  readonly clock: Clock;
  readonly random: Random;
  readonly policy: Policy;
  /** Name of this gateway, the observer of its audit events. */
  readonly origin: string;
  /** Largest `_count`. */
  readonly maxCount: number;
}

export function fhirServices(deps: FhirServicesDeps): SearchDeps & WriteDeps & BinaryDeps {
  const { records, messages, blobs, keyring, writer, clock, random, policy, origin, maxCount } = deps;
  const patients = patientIds({ records, keyring });
  const decider = accessDecider({ consents: patientConsents({ records, keyring }), keyring, policy, clock });
  const recorder = accessRecorder({ writer, patients, clock, random, origin });
  return { records, messages, blobs, origin, keyring, writer, clock, random, patients, decider, recorder, maxCount };
}
