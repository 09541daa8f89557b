import { describe, expect, it } from 'vitest';
import {
  transition,
  type AssociationEvent,
  type AssociationState,
} from '../../../../src/formats/dicom/association-machine.ts';

const STATES = Array.from({ length: 13 }, (_, i) => `Sta${i + 1}` as AssociationState);
const EVENTS = Array.from({ length: 19 }, (_, i) => `Evt${i + 1}` as AssociationEvent);

/** PS3.8 table 9-10, a row an event, a column a state from Sta1 on; `-` is a blank cell. Typed from the standard, not from the source. */
const STANDARD = `
Evt1  AE-1 -    -    -    -    -    -    -    -    -     -    -    -
Evt2  -    -    -    AE-2 -    -    -    -    -    -     -    -    -
Evt3  -    AA-1 AA-8 -    AE-3 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
Evt4  -    AA-1 AA-8 -    AE-4 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
Evt5  AE-5 -    -    -    -    -    -    -    -    -     -    -    -
Evt6  -    AE-6 AA-8 -    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-7
Evt7  -    -    AE-7 -    -    -    -    -    -    -     -    -    -
Evt8  -    -    AE-8 -    -    -    -    -    -    -     -    -    -
Evt9  -    -    -    -    -    DT-1 -    AR-7 -    -     -    -    -
Evt10 -    AA-1 AA-8 -    AA-8 DT-2 AR-6 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
Evt11 -    -    -    -    -    AR-1 -    -    -    -     -    -    -
Evt12 -    AA-1 AA-8 -    AA-8 AR-2 AR-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-6
Evt13 -    AA-1 AA-8 -    AA-8 AA-8 AR-3 AA-8 AA-8 AR-10 AR-3 AA-8 AA-6
Evt14 -    -    -    -    -    -    -    AR-4 AR-9 -     -    AR-4 -
Evt15 -    -    AA-1 AA-2 AA-1 AA-1 AA-1 AA-1 AA-1 AA-1  AA-1 AA-1 -
Evt16 -    AA-2 AA-3 -    AA-3 AA-3 AA-3 AA-3 AA-3 AA-3  AA-3 AA-3 AA-2
Evt17 -    AA-5 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4  AA-4 AA-4 AR-5
Evt18 -    AA-2 -    -    -    -    -    -    -    -     -    -    AA-2
Evt19 -    AA-1 AA-8 -    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8 AA-8 AA-7`;

describe('association state machine', () => {
  it('has every cell of PS3.8 table 9-10', () => {
    const rows = STANDARD.trim()
      .split('\n')
      .map((line) => line.split(/\s+/));
    expect(rows.map(([event]) => event)).toEqual(EVENTS);
    for (const [event, ...cells] of rows) {
      expect(cells).toHaveLength(13);
      cells.forEach((cell, i) => {
        expect([event, STATES[i], transition(STATES[i], event as AssociationEvent, 'acceptor')?.action ?? '-']).toEqual(
          [event, STATES[i], cell],
        );
      });
    }
  });

  it('takes an acceptor through association, data and release', () => {
    const states = ['Evt5', 'Evt6', 'Evt7', 'Evt10', 'Evt12', 'Evt14', 'Evt17'].reduce<AssociationState[]>(
      (path, event) => [
        ...path,
        transition(path.at(-1) ?? 'Sta1', event as AssociationEvent, 'acceptor')?.next ?? 'Sta1',
      ],
      ['Sta1'],
    );
    expect(states).toEqual(['Sta1', 'Sta2', 'Sta3', 'Sta6', 'Sta6', 'Sta8', 'Sta13', 'Sta1']);
  });

  it('tells a release collision apart by role', () => {
    expect(transition('Sta7', 'Evt12', 'requestor')?.next).toBe('Sta9');
    expect(transition('Sta7', 'Evt12', 'acceptor')?.next).toBe('Sta10');
  });
});
