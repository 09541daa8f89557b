/** Settings of the DIMSE listener. Every bound has its unit; the defaults stand in `DIMSE_DEFAULTS`. */
import type { TlsOptions } from 'node:tls';
import { DICOM_MAX_OBJECT_BYTES, DICOM_MAX_PDU_BYTES } from '../../core/limits.ts';

export interface DimseSettings {
  /** Address to listen on, as `127.0.0.1`. */
  readonly host: string;
  /** TCP port; 0: any free one. */
  readonly port: number;
  /** Key, certificate, and for mutual TLS `ca` with `requestCert`; undefined: plain TCP. */
  readonly tls?: TlsOptions;
  /** Our AE title. When set, an association that calls another title is rejected (1/1/7). Undefined: any is taken. */
  readonly calledAe?: string;
  /** Calling AE titles that are let in (else 1/1/3). Undefined: any. An AE title is a claim, not a proof: use mutual TLS. */
  readonly callingAes?: readonly string[];
  /** Associations at one time; one more is rejected as transient (2/3/2). */
  readonly maxAssociations: number;
  /** Largest P-DATA-TF variable field that we announce and accept, bytes. */
  readonly maxPduBytes: number;
  /** Largest data set, bytes; a larger one aborts the association. */
  readonly maxObjectBytes: number;
  /** ARTIM timer (PS3.8 9.1.5): waiting for the association request, and for the peer to close, milliseconds. */
  readonly artimMs: number;
  /** Silence of the peer in an association after which it is aborted, milliseconds; 0: never. */
  readonly idleMs: number;
  /** How long `close()` lets running C-STOREs finish, milliseconds. */
  readonly drainMs: number;
}

export const DIMSE_DEFAULTS = {
  maxAssociations: 64,
  maxPduBytes: DICOM_MAX_PDU_BYTES,
  maxObjectBytes: DICOM_MAX_OBJECT_BYTES,
  artimMs: 30_000,
  idleMs: 120_000,
  drainMs: 20_000,
} as const satisfies Partial<DimseSettings>;
