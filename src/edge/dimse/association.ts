/**
 * One incoming association: drives the state machine of PS3.8 section 9.2 over a socket. The machine says what to do,
 * this file does it. Reads only while the last bytes are dealt with, so that TCP holds the sender back.
 */
import type { Socket } from 'node:net';
import { DICOM_MAX_ASSOCIATE_BYTES } from '../../core/limits.ts';
import { transition, type AssociationEvent, type AssociationState } from '../../formats/dicom/association-machine.ts';
import { fragmentsOf } from '../../formats/dicom/fragments.ts';
import {
  ABORT_REASON,
  encodePdu,
  type AssociateRj,
  type AssociateRq,
  type DataTf,
  type Pdu,
  type PduFault,
} from '../../formats/dicom/pdu.ts';
import { createPduDecoder } from '../../formats/dicom/pdu-decoder.ts';
import { negotiate, type Negotiated } from './negotiate.ts';
import { createOperations, type Operations, type OperationsDeps, type Tally } from './operations.ts';
import type { DimseSettings } from './settings.ts';

export interface Association {
  /** Resolves when the connection is over and nothing of it runs any more. Never rejects. */
  readonly done: Promise<AssociationEnd>;
  /** Aborts as soon as no operation runs. */
  drain(): void;
  /** Ends the connection now. */
  destroy(): void;
}

export interface AssociationEnd {
  readonly tally: Tally | undefined;
  /** True when it ended by A-RELEASE. */
  readonly released: boolean;
  /** Reason when it was rejected. */
  readonly rejected: AssociateRj | undefined;
}

const RECEIVED: Readonly<Record<Pdu['type'] | 'fault', AssociationEvent>> = {
  'A-ASSOCIATE-RQ': 'Evt6',
  'A-ASSOCIATE-AC': 'Evt3',
  'A-ASSOCIATE-RJ': 'Evt4',
  'P-DATA-TF': 'Evt10',
  'A-RELEASE-RQ': 'Evt12',
  'A-RELEASE-RP': 'Evt13',
  'A-ABORT': 'Evt16',
  fault: 'Evt19',
};

/** A-ABORT sources (PS3.8 table 9-26). */
const SERVICE_USER = 0;
const SERVICE_PROVIDER = 2;

/** ARTIM while the listener closes, milliseconds: a peer that does not hang up must not hold the shutdown. */
const DRAIN_ARTIM_MS = 1_000;

/** Serves one socket. `full` is asked when the request is there. */
export function serveAssociation(
  deps: OperationsDeps,
  settings: DimseSettings,
  socket: Socket,
  full: () => boolean,
): Association {
  const decoder = createPduDecoder({ dataBytes: settings.maxPduBytes, associateBytes: DICOM_MAX_ASSOCIATE_BYTES });
  let state: AssociationState = 'Sta1';
  let operations: Operations | undefined;
  let peerMaxPduBytes = 0;
  let released = false;
  let rejected: AssociateRj | undefined;
  let draining = false;
  let artim: NodeJS.Timeout | undefined;

  const send = (pdu: Pdu): void => {
    if (socket.writable) socket.write(encodePdu(pdu));
  };
  const stopArtim = (): void => clearTimeout(artim);
  const startArtim = (): void => {
    stopArtim();
    artim = setTimeout(
      () => void happen('Evt18'),
      draining ? Math.min(settings.artimMs, DRAIN_ARTIM_MS) : settings.artimMs,
    );
  };

  /** Lets an event happen: the next state first, since an action may cause the next event. */
  const happen = async (event: AssociationEvent, pdu?: Pdu | PduFault): Promise<void> => {
    const step = transition(state, event, 'acceptor');
    if (step === undefined) return;
    state = step.next;
    switch (step.action) {
      case 'AE-5':
        return startArtim();
      case 'AE-6':
        stopArtim();
        return pdu?.type === 'A-ASSOCIATE-RQ' ? indicate(pdu) : undefined;
      case 'AE-8':
        return startArtim();
      case 'DT-2':
        return pdu?.type === 'P-DATA-TF' ? receive(pdu) : undefined;
      case 'AR-2':
        return happen('Evt14');
      case 'AR-4':
        released = true;
        send({ type: 'A-RELEASE-RP' });
        return startArtim();
      case 'AA-1':
        send({ type: 'A-ABORT', source: SERVICE_USER, reason: ABORT_REASON.notSpecified });
        return startArtim();
      case 'AA-7':
        return send({ type: 'A-ABORT', source: SERVICE_PROVIDER, reason: reasonOf(pdu) });
      case 'AA-8':
        send({ type: 'A-ABORT', source: SERVICE_PROVIDER, reason: reasonOf(pdu) });
        return startArtim();
      case 'AA-2':
      case 'AA-3':
        stopArtim();
        socket.destroy();
        return;
      case 'AA-4':
      case 'AA-5':
      case 'AR-5':
        return stopArtim();
      default:
        // AA-6 ignores; AE-7 is done by `indicate`; the rest are a requestor's.
        return;
    }
  };

  /** A-ASSOCIATE indication: our answer is ready at once. */
  const indicate = async (request: AssociateRq): Promise<void> => {
    const result: Negotiated | AssociateRj = negotiate(request, settings, full());
    if ('type' in result) {
      rejected = result;
      send(result);
      return happen('Evt8');
    }
    peerMaxPduBytes = request.userInformation.maxPduBytes;
    operations = createOperations(deps, result.contexts, settings.maxObjectBytes);
    send(result.answer);
    return happen('Evt7');
  };

  /** P-DATA indication. */
  const receive = async (pdu: DataTf): Promise<void> => {
    for (const value of pdu.values) {
      const answer = await operations?.take(value);
      if (answer === undefined) continue;
      if (answer === 'violation') return happen('Evt19', { type: 'fault', reason: ABORT_REASON.invalidParameter });
      if (state !== 'Sta6') return;
      const target = { context: answer.context, command: true, maxPduBytes: peerMaxPduBytes };
      for (const out of fragmentsOf(target, answer.command, true)) send(out);
    }
  };

  const run = async (): Promise<AssociationEnd> => {
    socket.setNoDelay(true);
    await happen('Evt5');
    let silence: NodeJS.Timeout | undefined;
    const listen = (): void => {
      if (draining && state === 'Sta6' && operations?.busy() !== true) void happen('Evt15');
      if (settings.idleMs > 0) silence = setTimeout(() => state === 'Sta6' && void happen('Evt15'), settings.idleMs);
    };
    try {
      listen();
      for await (const chunk of socket) {
        clearTimeout(silence);
        for (const pdu of decoder.push(chunk as Buffer)) await happen(RECEIVED[pdu.type], pdu);
        listen();
      }
    } catch {
      // A reset or our own destroy: both are the end of the transport connection.
    }
    clearTimeout(silence);
    await happen('Evt17');
    stopArtim();
    await operations?.abandon();
    return { tally: operations?.tally, released, rejected };
  };

  return {
    done: run(),
    drain() {
      draining = true;
      if (state === 'Sta6' && operations?.busy() !== true) void happen('Evt15');
      else if (state !== 'Sta6') socket.destroy();
    },
    destroy: () => void socket.destroy(),
  };
}

function reasonOf(pdu: Pdu | PduFault | undefined): number {
  return pdu?.type === 'fault' ? pdu.reason : ABORT_REASON.unexpectedPdu;
}
