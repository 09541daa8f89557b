/**
 * The association state machine of PS3.8 section 9.2 as a table, with the standard's names: states Sta1 to Sta13, events of
 * table 9-10, actions of tables 9-6 to 9-9. Pure: it says what to do and where that leads; `edge/dimse` and
 * `clients/dicom` do it. A cell that the standard leaves blank is an event that cannot happen there.
 */

export type AssociationState =
  | 'Sta1' // idle
  | 'Sta2' // transport open, awaiting A-ASSOCIATE-RQ
  | 'Sta3' // awaiting the local answer to an A-ASSOCIATE-RQ
  | 'Sta4' // awaiting the transport connection
  | 'Sta5' // awaiting A-ASSOCIATE-AC or -RJ
  | 'Sta6' // association established
  | 'Sta7' // awaiting A-RELEASE-RP
  | 'Sta8' // awaiting the local release answer
  | 'Sta9' // release collision, requestor: awaiting the local release answer
  | 'Sta10' // release collision, acceptor: awaiting A-RELEASE-RP
  | 'Sta11' // release collision, requestor: awaiting A-RELEASE-RP
  | 'Sta12' // release collision, acceptor: awaiting the local release answer
  | 'Sta13'; // awaiting the end of the transport connection

export type AssociationEvent =
  | 'Evt1' // local A-ASSOCIATE request
  | 'Evt2' // transport connection confirmed
  | 'Evt3' // A-ASSOCIATE-AC received
  | 'Evt4' // A-ASSOCIATE-RJ received
  | 'Evt5' // transport connection indicated
  | 'Evt6' // A-ASSOCIATE-RQ received
  | 'Evt7' // local A-ASSOCIATE response: accept
  | 'Evt8' // local A-ASSOCIATE response: reject
  | 'Evt9' // local P-DATA request
  | 'Evt10' // P-DATA-TF received
  | 'Evt11' // local A-RELEASE request
  | 'Evt12' // A-RELEASE-RQ received
  | 'Evt13' // A-RELEASE-RP received
  | 'Evt14' // local A-RELEASE response
  | 'Evt15' // local A-ABORT request
  | 'Evt16' // A-ABORT received
  | 'Evt17' // transport connection closed
  | 'Evt18' // ARTIM timer expired
  | 'Evt19'; // unrecognised or invalid PDU received

/** What each action does is said in tables 9-6 (AE), 9-7 (DT), 9-8 (AR) and 9-9 (AA). */
export type AssociationAction =
  | 'AE-1'
  | 'AE-2'
  | 'AE-3'
  | 'AE-4'
  | 'AE-5'
  | 'AE-6'
  | 'AE-7'
  | 'AE-8'
  | 'DT-1'
  | 'DT-2'
  | 'AR-1'
  | 'AR-2'
  | 'AR-3'
  | 'AR-4'
  | 'AR-5'
  | 'AR-6'
  | 'AR-7'
  | 'AR-8'
  | 'AR-9'
  | 'AR-10'
  | 'AA-1'
  | 'AA-2'
  | 'AA-3'
  | 'AA-4'
  | 'AA-5'
  | 'AA-6'
  | 'AA-7'
  | 'AA-8';

export type AssociationRole = 'requestor' | 'acceptor';

export interface Transition {
  readonly action: AssociationAction;
  readonly next: AssociationState;
}

/** The state after each action. AE-6 leads to Sta13 when the provider rejects by itself, AR-8 to Sta10 in an acceptor. */
const NEXT: Readonly<Record<AssociationAction, AssociationState>> = {
  'AE-1': 'Sta4',
  'AE-2': 'Sta5',
  'AE-3': 'Sta6',
  'AE-4': 'Sta1',
  'AE-5': 'Sta2',
  'AE-6': 'Sta3',
  'AE-7': 'Sta6',
  'AE-8': 'Sta13',
  'DT-1': 'Sta6',
  'DT-2': 'Sta6',
  'AR-1': 'Sta7',
  'AR-2': 'Sta8',
  'AR-3': 'Sta1',
  'AR-4': 'Sta13',
  'AR-5': 'Sta1',
  'AR-6': 'Sta7',
  'AR-7': 'Sta8',
  'AR-8': 'Sta9',
  'AR-9': 'Sta11',
  'AR-10': 'Sta12',
  'AA-1': 'Sta13',
  'AA-2': 'Sta1',
  'AA-3': 'Sta1',
  'AA-4': 'Sta1',
  'AA-5': 'Sta1',
  'AA-6': 'Sta13',
  'AA-7': 'Sta13',
  'AA-8': 'Sta13',
};

type Row = Partial<Record<AssociationState, AssociationAction>>;

/** `action` in Sta3 and Sta5 to Sta12: the states of a living association; then the cells that differ. */
function living(action: AssociationAction, others: Row): Row {
  const row: Row = {};
  for (const state of ['Sta3', 'Sta5', 'Sta6', 'Sta7', 'Sta8', 'Sta9', 'Sta10', 'Sta11', 'Sta12'] as const)
    row[state] = action;
  return { ...row, ...others };
}

/** Table 9-10. */
const TABLE: Readonly<Record<AssociationEvent, Row>> = {
  Evt1: { Sta1: 'AE-1' },
  Evt2: { Sta4: 'AE-2' },
  Evt3: living('AA-8', { Sta2: 'AA-1', Sta5: 'AE-3', Sta13: 'AA-6' }),
  Evt4: living('AA-8', { Sta2: 'AA-1', Sta5: 'AE-4', Sta13: 'AA-6' }),
  Evt5: { Sta1: 'AE-5' },
  Evt6: living('AA-8', { Sta2: 'AE-6', Sta13: 'AA-7' }),
  Evt7: { Sta3: 'AE-7' },
  Evt8: { Sta3: 'AE-8' },
  Evt9: { Sta6: 'DT-1', Sta8: 'AR-7' },
  Evt10: living('AA-8', { Sta2: 'AA-1', Sta6: 'DT-2', Sta7: 'AR-6', Sta13: 'AA-6' }),
  Evt11: { Sta6: 'AR-1' },
  Evt12: living('AA-8', { Sta2: 'AA-1', Sta6: 'AR-2', Sta7: 'AR-8', Sta13: 'AA-6' }),
  Evt13: living('AA-8', { Sta2: 'AA-1', Sta7: 'AR-3', Sta10: 'AR-10', Sta11: 'AR-3', Sta13: 'AA-6' }),
  Evt14: { Sta8: 'AR-4', Sta9: 'AR-9', Sta12: 'AR-4' },
  Evt15: living('AA-1', { Sta4: 'AA-2' }),
  Evt16: living('AA-3', { Sta2: 'AA-2', Sta13: 'AA-2' }),
  Evt17: living('AA-4', { Sta2: 'AA-5', Sta4: 'AA-4', Sta13: 'AR-5' }),
  Evt18: { Sta2: 'AA-2', Sta13: 'AA-2' },
  Evt19: living('AA-8', { Sta2: 'AA-1', Sta13: 'AA-7' }),
};

/** The action for an event in a state, and the next state; undefined for a blank cell. */
export function transition(
  state: AssociationState,
  event: AssociationEvent,
  role: AssociationRole,
): Transition | undefined {
  const action = TABLE[event][state];
  if (action === undefined) return undefined;
  return { action, next: action === 'AR-8' && role === 'acceptor' ? 'Sta10' : NEXT[action] };
}
