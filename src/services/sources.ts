/**
 * Which source a message is from (port): by its header and by the certificate of its connection. The registry over the
 * kept profiles is in `source-registry.ts`.
 */
import type { GatewayError } from '../core/errors.ts';
import type { AckHeader, AcknowledgementMode } from '../formats/hl7v2/ack.ts';
import type { SourceProfile } from '../normalize/hl7v2/source-profile.ts';

/** What a TLS client has shown and its authority has signed. */
export interface ClientCertificate {
  /** SHA-256 of the certificate, 64 lower-case hexadecimal digits. */
  readonly fingerprint: string;
  /** Its subject in the order of the certificate, such as `C=DE,O=St Mary,CN=lab`. */
  readonly subject: string;
}

export interface ChosenSource {
  /** How the message is read; of a message that is not taken, how it would be. */
  readonly profile: SourceProfile;
  /** How it is answered where MSH-15 and MSH-16 are empty. */
  readonly acknowledgement: AcknowledgementMode;
  /** Why the message is not converted. */
  readonly refused?: GatewayError;
  /** With `refused`: the message is kept in quarantine instead of being refused. */
  readonly quarantine?: true;
}

export interface Sources {
  /** Answers from memory. `client`: undefined on connections that showed no certificate. */
  choose(header: AckHeader, client: ClientCertificate | undefined): ChosenSource;
  /** The same for a message that is kept already, `source` the name of the one it came from: its connection was looked at when it came. */
  chooseKept(header: AckHeader, source?: string): ChosenSource;
}

/** One profile for every message: for dry runs and tests. */
export function onlySource(profile: SourceProfile): Sources {
  const chosen = { profile, acknowledgement: 'original' } as const;
  return { choose: () => chosen, chooseKept: () => chosen };
}
