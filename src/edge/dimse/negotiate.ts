/**
 * The acceptor's side of association negotiation (PS3.8 section 7.1, PS3.7 annex D): which request is rejected, and for each
 * presentation context which transfer syntax. Pure.
 */
import {
  CONTEXT_RESULT,
  type AnsweredContext,
  type AssociateAc,
  type AssociateRj,
  type AssociateRq,
  type ProposedContext,
} from '../../formats/dicom/pdu.ts';
import {
  APPLICATION_CONTEXT_UID,
  EXPLICIT_VR_LITTLE_ENDIAN,
  IMPLEMENTATION_CLASS_UID,
  IMPLEMENTATION_VERSION_NAME,
  IMPLICIT_VR_LITTLE_ENDIAN,
  isStorableTransferSyntax,
  isStorageClass,
  VERIFICATION_UID,
} from '../../formats/dicom/uid.ts';
import type { DimseSettings } from './settings.ts';

/** A context both sides agreed on. */
export interface AcceptedContext {
  readonly abstractSyntax: string;
  readonly transferSyntax: string;
}

export interface Negotiated {
  readonly answer: AssociateAc;
  /** By context id. */
  readonly contexts: ReadonlyMap<number, AcceptedContext>;
}

const reject = (result: number, source: number, reason: number): AssociateRj => ({
  type: 'A-ASSOCIATE-RJ',
  result,
  source,
  reason,
});

/** Codes of PS3.8 table 9-21. */
const REJECTION = {
  applicationContextNotSupported: reject(1, 1, 2),
  callingAeNotRecognized: reject(1, 1, 3),
  calledAeNotRecognized: reject(1, 1, 7),
  protocolVersionNotSupported: reject(1, 2, 2),
  localLimitExceeded: reject(2, 3, 2),
} as const;

/** The transfer syntax for a context, the first that is taken in the requestor's order; or why there is none. */
function answerContext(context: ProposedContext): AnsweredContext {
  const refuse = (result: number): AnsweredContext => ({
    id: context.id,
    result,
    transferSyntax: IMPLICIT_VR_LITTLE_ENDIAN,
  });
  if (context.id % 2 === 0) return refuse(CONTEXT_RESULT.noReason);
  const isVerification = context.abstractSyntax === VERIFICATION_UID;
  if (!isVerification && !isStorageClass(context.abstractSyntax))
    return refuse(CONTEXT_RESULT.abstractSyntaxNotSupported);
  const taken = (uid: string): boolean =>
    isVerification
      ? uid === IMPLICIT_VR_LITTLE_ENDIAN || uid === EXPLICIT_VR_LITTLE_ENDIAN
      : isStorableTransferSyntax(uid);
  const transferSyntax = context.transferSyntaxes.find(taken);
  if (transferSyntax === undefined) return refuse(CONTEXT_RESULT.transferSyntaxesNotSupported);
  return { id: context.id, result: CONTEXT_RESULT.acceptance, transferSyntax };
}

/** `full`: as many associations run as are allowed. Contexts whose id repeats an earlier one are refused. */
export function negotiate(request: AssociateRq, settings: DimseSettings, full: boolean): Negotiated | AssociateRj {
  if ((request.protocolVersion & 1) === 0) return REJECTION.protocolVersionNotSupported;
  if (request.applicationContext !== APPLICATION_CONTEXT_UID) return REJECTION.applicationContextNotSupported;
  if (settings.calledAe !== undefined && request.calledAe !== settings.calledAe) return REJECTION.calledAeNotRecognized;
  if (settings.callingAes !== undefined && !settings.callingAes.includes(request.callingAe))
    return REJECTION.callingAeNotRecognized;
  if (full) return REJECTION.localLimitExceeded;

  const contexts = new Map<number, AcceptedContext>();
  const answers: AnsweredContext[] = [];
  for (const proposed of request.contexts) {
    if (answers.some((answer) => answer.id === proposed.id)) continue;
    const answer = answerContext(proposed);
    answers.push(answer);
    if (answer.result === CONTEXT_RESULT.acceptance) {
      contexts.set(proposed.id, { abstractSyntax: proposed.abstractSyntax, transferSyntax: answer.transferSyntax });
    }
  }
  const answer: AssociateAc = {
    type: 'A-ASSOCIATE-AC',
    protocolVersion: 1,
    // PS3.8 table 9-17: the titles are sent back as they came and are not tested.
    calledAe: request.calledAe,
    callingAe: request.callingAe,
    applicationContext: APPLICATION_CONTEXT_UID,
    contexts: answers,
    userInformation: {
      maxPduBytes: settings.maxPduBytes,
      implementationClassUid: IMPLEMENTATION_CLASS_UID,
      implementationVersionName: IMPLEMENTATION_VERSION_NAME,
      others: [],
    },
  };
  return { answer, contexts };
}
