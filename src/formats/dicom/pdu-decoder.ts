/**
 * Cuts a byte stream into PDUs (PS3.8 section 9.3.1), whatever the pieces in which it comes. Holds at most one PDU; type
 * and length are judged as soon as the six header bytes are there, before anything is gathered.
 */
import { ABORT_REASON, decodePdu, PDU_HEADER_BYTES, PDU_TYPE, type Pdu, type PduFault } from './pdu.ts';

/** Largest variable fields accepted, bytes. */
export interface PduLimits {
  /** P-DATA-TF: the maximum length that we announce. */
  readonly dataBytes: number;
  /** Every other PDU. */
  readonly associateBytes: number;
}

export interface PduDecoder {
  /**
   * The PDUs that these bytes complete, in order. After a fault nothing more comes. Data values are views of the bytes
   * given where possible: the caller must not reuse them.
   */
  push(bytes: Buffer): Iterable<Pdu | PduFault>;
  /** True when the stream stands between two PDUs. */
  idle(): boolean;
}

const fault = (reason: number): PduFault => ({ type: 'fault', reason });

export function createPduDecoder(limits: PduLimits): PduDecoder {
  let held: Buffer[] = [];
  let total = 0;
  let wanted = PDU_HEADER_BYTES;
  let failed = false;

  const joined = (): Buffer => {
    if (held.length !== 1) held = [Buffer.concat(held, total)];
    return held[0];
  };
  /** Length of the whole PDU that begins at `at`, or a fault. */
  const lengthAt = (bytes: Buffer, at: number): number | PduFault => {
    const type = bytes[at];
    if (type < PDU_TYPE['A-ASSOCIATE-RQ'] || type > PDU_TYPE['A-ABORT']) return fault(ABORT_REASON.unrecognizedPdu);
    const length = bytes.readUInt32BE(at + 2);
    const most = type === PDU_TYPE['P-DATA-TF'] ? limits.dataBytes : limits.associateBytes;
    return length > most ? fault(ABORT_REASON.invalidParameter) : PDU_HEADER_BYTES + length;
  };

  return {
    *push(bytes) {
      if (failed || bytes.length === 0) return;
      held.push(bytes);
      total += bytes.length;
      let at = 0;
      while (total - at >= wanted) {
        const all = joined();
        const length = lengthAt(all, at);
        if (typeof length !== 'number') {
          failed = true;
          held = [];
          yield length;
          return;
        }
        wanted = length;
        if (total - at < wanted) break;
        const pdu = decodePdu(all[at], all.subarray(at + PDU_HEADER_BYTES, at + wanted));
        at += wanted;
        wanted = PDU_HEADER_BYTES;
        if (pdu.type === 'fault') {
          failed = true;
          held = [];
          yield pdu;
          return;
        }
        yield pdu;
      }
      if (at > 0) {
        held = at === total ? [] : [joined().subarray(at)];
        total -= at;
      }
    },
    idle: () => total === 0,
  };
}
