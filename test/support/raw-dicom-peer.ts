/** A DICOM peer that sends whatever it is told, right or wrong: for tests of what the listener does with it. */
import { connect } from 'node:net';
import { encodePdu, type AssociateRq, type Pdu, type PduFault } from '../../src/formats/dicom/pdu.ts';
import { createPduDecoder } from '../../src/formats/dicom/pdu-decoder.ts';
import { APPLICATION_CONTEXT_UID, EXPLICIT_VR_LITTLE_ENDIAN } from '../../src/formats/dicom/uid.ts';

export const ASSOCIATE_RQ: AssociateRq = {
  type: 'A-ASSOCIATE-RQ',
  protocolVersion: 1,
  calledAe: 'ANAMNESIS',
  callingAe: 'TEST',
  applicationContext: APPLICATION_CONTEXT_UID,
  contexts: [{ id: 1, abstractSyntax: '1.2.840.10008.5.1.4.1.1.2', transferSyntaxes: [EXPLICIT_VR_LITTLE_ENDIAN] }],
  userInformation: {
    maxPduBytes: 16_384,
    implementationClassUid: '1.2.3',
    implementationVersionName: 'TEST',
    others: [],
  },
};

export interface RawPeer {
  send(...pdus: Pdu[]): void;
  write(bytes: Buffer): void;
  /** The next PDU, or undefined when the connection is over. */
  next(): Promise<Pdu | PduFault | undefined>;
  /** Resolves when the listener has closed the connection. */
  readonly closed: Promise<void>;
  /** Closes with a reset, as a crashed sender does. */
  reset(): void;
}

export function rawPeer(port: number): RawPeer {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  async function* received(): AsyncGenerator<Pdu | PduFault> {
    const decoder = createPduDecoder({ dataBytes: 1_000_000, associateBytes: 1_000_000 });
    try {
      for await (const chunk of socket) yield* decoder.push(chunk as Buffer);
    } catch {
      // The end of the connection.
    }
  }
  const pdus = received();
  return {
    send: (...all) => void socket.write(Buffer.concat(all.map(encodePdu))),
    write: (bytes) => void socket.write(bytes),
    next: async () => {
      const step = await pdus.next();
      return step.done === true ? undefined : step.value;
    },
    closed,
    reset: () => void socket.resetAndDestroy(),
  };
}
