/**
 * What a manifest keeps, sealed, about the FHIR client that wrote: the token's issuer, subject and purpose. A patient stands
 * there as a keyed digest, since erasure does not reach manifests.
 */
import type { ResourceKey } from '../core/ids.ts';

export interface Submitter {
  /** `create`, `update`, `delete` or `transaction`. */
  readonly interaction: string;
  readonly issuer: string;
  readonly role: string;
  /** v3-PurposeOfUse code of the token. */
  readonly purpose?: string;
  /** `sub` of the token; absent for a patient. */
  readonly subject?: string;
  readonly client?: string;
  /** Key of the Patient who wrote. */
  readonly patientKey?: ResourceKey;
  /** `Patient/<id>` of that patient, where the caller may see something of theirs. */
  readonly patient?: string;
}

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Reads the client back out of a manifest's details; undefined when no FHIR client wrote it. */
export function parseSubmitter(details: Json): Submitter | undefined {
  const interaction = text(details.interaction);
  if (interaction === undefined || !isObject(details.agent)) return undefined;
  const issuer = text(details.agent.issuer);
  const role = text(details.agent.role);
  if (issuer === undefined || role === undefined) return undefined;
  const purpose = text(details.agent.purpose);
  const subject = text(details.agent.subject);
  const client = text(details.agent.client);
  const patientKey = text(details.agent.patient);
  return {
    interaction,
    issuer,
    role,
    ...(purpose === undefined ? {} : { purpose }),
    ...(subject === undefined ? {} : { subject }),
    ...(client === undefined ? {} : { client }),
    ...(patientKey === undefined ? {} : { patientKey: patientKey as ResourceKey }),
  };
}
