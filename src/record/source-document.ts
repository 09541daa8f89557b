/**
 * The sealed part of a `source` document: one version of one source's profile, who made it and when (DESIGN section 2: profiles
 * are documents of their own). Compact JSON under the gateway's MANIFEST lockbox. No PHI.
 */
import { GatewayError } from '../core/errors.ts';

export interface SourceVersion {
  readonly v: 1;
  readonly name: string;
  /** From 1, without gaps. */
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Who said so: issuer and subject of a token, or the account that ran the command. */
  readonly by: string;
  /** As it was written (normalize/hl7v2/source-definition); null: the source was removed. */
  readonly profile: Readonly<Record<string, unknown>> | null;
}

export function encodeSourceVersion(version: SourceVersion): Buffer {
  return Buffer.from(JSON.stringify(version));
}

/** Throws `integrity` when the plaintext is not version 1. */
export function decodeSourceVersion(plaintext: Buffer): SourceVersion {
  const content = JSON.parse(plaintext.toString()) as SourceVersion;
  if (content.v !== 1 || typeof content.name !== 'string' || !Number.isSafeInteger(content.version)) {
    throw new GatewayError('integrity', 'a source document is not in the form of version 1');
  }
  return content;
}
