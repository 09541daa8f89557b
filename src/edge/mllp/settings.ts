/** Settings of the MLLP listener. Every bound has its unit; the defaults stand in `MLLP_DEFAULTS`. */
import type { TlsOptions } from 'node:tls';
import {
  HL7_MAX_MESSAGE_BYTES,
  LISTENER_IDLE_MS,
  MLLP_HANDSHAKE_MS,
  MLLP_MAX_CONNECTIONS,
  SHUTDOWN_DEADLINE_MS,
} from '../../core/limits.ts';

export interface MllpSettings {
  /** Address to listen on, as `127.0.0.1`. */
  readonly host: string;
  /** TCP port; 0: any free one. */
  readonly port: number;
  /** Key, certificate, and for mutual TLS `ca` with `requestCert`; undefined: plain TCP. */
  readonly tls?: TlsOptions;
  /** Connections at one time; one more is closed at once. */
  readonly maxConnections: number;
  /** Largest message, bytes; a larger one is answered AR and skipped. */
  readonly maxMessageBytes: number;
  /**
   * Bytes of unfinished frames and of messages under way of all connections together. Beyond it, those that hold more than their share
   * are not read until there is room; one that goes beyond it alone is closed.
   */
  readonly maxBufferedBytes: number;
  /** Longest time of a TLS handshake, milliseconds. */
  readonly handshakeMs: number;
  /** Silence after which a connection is closed, milliseconds; 0: never. */
  readonly idleMs: number;
  /** Longest time from the first to the last byte of a frame, and for the peer to read an answer, milliseconds. */
  readonly frameMs: number;
  /** How long `close()` lets the messages in flight finish, milliseconds. */
  readonly drainMs: number;
}

export const MLLP_DEFAULTS = {
  maxConnections: MLLP_MAX_CONNECTIONS,
  maxMessageBytes: HL7_MAX_MESSAGE_BYTES,
  maxBufferedBytes: 16 * HL7_MAX_MESSAGE_BYTES,
  handshakeMs: MLLP_HANDSHAKE_MS,
  idleMs: LISTENER_IDLE_MS,
  frameMs: 120_000,
  drainMs: SHUTDOWN_DEADLINE_MS,
} as const satisfies Partial<MllpSettings>;
