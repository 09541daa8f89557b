/**
 * Which source a message is from (port): by its header and by the certificate of its connection. The registry over the
 * kept profiles is in `source-registry.ts`.
 */
import type { GatewayError } from '../core/errors.ts';
import type { AckHeader } from '../formats/hl7v2/ack.ts';
import type { SourceProfile } from '../normalize/hl7v2/source-profile.ts';

/** What a TLS client has shown and its authority has signed. */
export interface ClientCertificate {
  /** SHA-256 of the certificate, 64 lower-case hexadecimal digits. */
  readonly fingerprint: string;
  /** Its subject (RFC 4514 order of the certificate), such as `C=DE,O=St Mary,CN=lab`. */
  readonly subject: string;
}

export type ChosenSource =
  | { readonly profile: SourceProfile }
  /** The message is not taken; `quarantine`: it is kept all the same, as one of `profile`. */
  | {
      readonly refused: GatewayError;
      readonly quarantine?: true;
      /** How the answer is to be given, and how the message would be read. */
      readonly profile: SourceProfile;
    };

export interface Sources {
  /** Answers from memory. `client`: undefined on connections that showed no certificate. */
  choose(header: AckHeader, client: ClientCertificate | undefined): ChosenSource;
}

/** One profile for every message: for dry runs and tests. */
export function onlySource(profile: SourceProfile): Sources {
  return { choose: () => ({ profile }) };
}
