/** What MessageHeader and Provenance are rendered from: one manifest, opened, and the resources that it produced. */
import type { MessageDetails } from './message-details.ts';
import type { Submitter } from './submitter.ts';

export interface RenderedMessage {
  /** Logical id of the rendered resource, given by the caller; derived from the manifest, so that it never changes. */
  readonly id: string;
  /** Origin of the gateway that took the message. */
  readonly origin: string;
  /** Leaf of the manifest in the log of that gateway. */
  readonly leaf: number;
  /** Of a message that was kept and converted later: leaf of the manifest of when it came, with its bytes. */
  readonly original?: number;
  /** `hl7v2`, `fhir`, `dicom-study` ... as the manifest says. */
  readonly kind: string;
  /** Name of the configured source, or `client:<id>`. */
  readonly source: string;
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
  readonly message: MessageDetails | undefined;
  /** Who sent it, for what a FHIR client wrote. */
  readonly submitter: Submitter | undefined;
  /** Versions that came of it, `Type/id/_history/version`; at least one. */
  readonly produced: readonly string[];
}

/** URI of a source that has no address of its own. */
export function sourceUri(name: string): string {
  return `urn:anamnesis:source:${encodeURIComponent(name)}`;
}
