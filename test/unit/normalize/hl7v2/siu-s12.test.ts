import { describe, expect, it } from 'vitest';
import { defects, hl7, MemoryRecord, normalize, segment } from '../../../support/hl7v2.ts';

const PID = 'PID|1||123^^^HOSP^MR||Doe^Jane||19800704|F';
const sch = (fields: Readonly<Record<number, string>> = {}): string =>
  segment('SCH', { 1: 'P1', 2: 'F1', 7: 'CHECKUP', 9: '30', 10: 'min', ...fields });
const TIME = 'TQ1|1||||||20260310103000+0100|20260310110000+0100';
let minute = 0;
const siu = (event: string, ...segments: string[]): string =>
  hl7(`SIU^${event}`, segments, `2026030112${String(minute++ % 60).padStart(2, '0')}00+0100`);
const taken = (...messages: string[]): any => {
  const record = new MemoryRecord(...messages);
  expect(defects(record)).toEqual([]);
  return record.one('Appointment');
};

describe('SIU_S12', () => {
  it('trap: a time in minutes is an instant, with zero seconds', () => {
    const appointment = taken(siu('S12', sch(), 'TQ1|1||||||202603101030+0100|202603101100+0100', PID));
    expect(appointment).toMatchObject({
      status: 'booked',
      start: '2026-03-10T10:30:00+01:00',
      end: '2026-03-10T11:00:00+01:00',
      minutesDuration: 30,
    });
  });

  it('trap: the end comes from the duration; without one it is noted', () => {
    const start = 'TQ1|1||||||20260310103000+0100';
    expect(taken(siu('S12', sch(), start, PID)).end).toBe('2026-03-10T10:00:00.000Z');
    const message = siu('S12', sch({ 9: '' }), start, PID);
    expect(taken(message)).toMatchObject({ start: '2026-03-10T10:30:00+01:00', end: '2026-03-10T10:30:00+01:00' });
    expect(normalize(message).details.omissions).toEqual([{ location: 'SCH-11', reason: 'no-end' }]);
  });

  it('trap: the time may stand in SCH-11 or only at the resources', () => {
    const quantity = '1^^30 min^20260310103000+0100^20260310110000+0100';
    expect(taken(siu('S12', sch({ 11: quantity }), PID)).start).toBe('2026-03-10T10:30:00+01:00');
    expect(
      taken(
        siu(
          'S12',
          sch({ 9: '' }),
          PID,
          'RGS|1',
          'AIS|1|A|76164006^Biopsy^SCT|20260310110000+0100|||1|H',
          'AIL|1|A|ROOM1^^^HOSP||| 20260310103000+0100|||30|M',
        ),
      ),
    ).toMatchObject({ start: '2026-03-10T10:30:00+01:00', end: '2026-03-10T10:30:00.000Z' });
  });

  it('without any time it is proposed; R4 lets nothing else stand', () => {
    expect(taken(siu('S12', sch({ 25: 'Booked' }), PID)).status).toBe('proposed');
    expect(taken(siu('S12', sch({ 25: 'Waitlist' }), PID)).status).toBe('waitlist');
  });

  it.each([
    ['S15', 'cancelled'],
    ['S16', 'cancelled'],
    ['S17', 'entered-in-error'],
    ['S26', 'noshow'],
  ])('trap: %s without times keeps those that were booked, whatever SCH-25 repeats', (event, status) => {
    const appointment = taken(
      siu('S12', sch({ 25: 'Booked' }), TIME, PID),
      siu(event, sch({ 6: 'ILL^Patient ill', 25: 'Booked' }), PID),
    );
    expect(appointment).toMatchObject({ status, start: '2026-03-10T10:30:00+01:00' });
    expect(appointment.cancelationReason?.coding[0].code).toBe(status === 'entered-in-error' ? undefined : 'ILL');
  });

  it('trap: booked again after a cancellation: the reason is gone', () => {
    const appointment = taken(
      siu('S12', sch(), TIME, PID),
      siu('S15', sch({ 6: 'ILL' }), PID),
      siu('S13', sch(), TIME.replaceAll('20260310', '20260317'), PID),
    );
    expect(appointment).toMatchObject({ status: 'booked', start: '2026-03-17T10:30:00+01:00' });
    expect(appointment.cancelationReason).toBeUndefined();
  });

  it('trap: placer and filler numbers meet, and equal numbers of two facilities do not', () => {
    const first = siu('S12', sch(), TIME, PID);
    const byPlacer = siu('S14', sch({ 2: '', 25: 'Complete' }), TIME, PID);
    expect(taken(first, byPlacer).status).toBe('fulfilled');
    const record = new MemoryRecord(
      siu('S12', sch(), TIME, PID),
      siu('S12', sch(), TIME, PID).replace('|HOSP|GW', '|OTHER|GW'),
    );
    expect(record.all('Appointment')).toHaveLength(2);
  });

  it('trap: several notes of schedule and resources are one comment; a removed resource takes no part', () => {
    const appointment = taken(
      siu(
        'S12',
        sch({ 16: '9^Dent^Corey' }),
        TIME,
        'NTE|1||first',
        PID,
        'RGS|1',
        'AIS|1|A|76164006^Biopsy^SCT',
        'NTE|1||second',
        'AIP|1|A|10^Smith^Ann|010^Surgeon^L',
        'NTE|1||third',
        'AIP|2|D|11^Gone^Bob|010^Surgeon^L',
        'AIG|1|A|X1^Scope^L',
        'AIL|1|A|ROOM1^^^HOSP',
      ),
    );
    expect(appointment.comment).toBe('first\nsecond\nthird');
    expect(appointment.participant.map(({ actor }: any) => actor.display)).toEqual([
      undefined,
      'Corey Dent',
      'Ann Smith',
      'Scope',
      'ROOM1, HOSP',
    ]);
    expect(appointment.serviceType).toHaveLength(1);
  });

  it('diagnoses are the reason; the visit is planned, not begun', () => {
    const record = new MemoryRecord(
      siu('S12', sch(), TIME, PID, segment('PV1', { 2: 'O', 19: 'V7^^^HOSP^VN' }), 'DG1|1||K50^Crohn^I10'),
    );
    expect(defects(record)).toEqual([]);
    expect(record.one('Appointment').reasonReference).toHaveLength(1);
    expect(record.one('Encounter').status).toBe('planned');
  });

  it('trap: a status without any time of an unknown appointment says why there is none, until a time comes', () => {
    const deleted = taken(siu('S17', sch(), PID));
    expect(deleted).toMatchObject({ status: 'entered-in-error', _start: { extension: [{ valueCode: 'unknown' }] } });
    const proposed = siu('S12', sch(), PID);
    const arrived = siu('S14', sch({ 25: 'Arrived' }), PID);
    expect(taken(proposed, arrived)).toMatchObject({ status: 'arrived', _end: { extension: [{}] } });
    const timed = taken(proposed, arrived, siu('S14', sch({ 25: 'Complete' }), TIME, PID));
    expect(timed).toMatchObject({ status: 'fulfilled', start: '2026-03-10T10:30:00+01:00' });
    expect(timed._start ?? timed._end).toBeUndefined();
    const late = taken(siu('S12', sch(), TIME, PID), siu('S26', sch(), PID));
    expect(late._start ?? late._end).toBeUndefined();
  });

  it('an appointment of several patients is one for each; each is cancelled by itself', () => {
    const other = PID.replace('123', '124');
    const resources = ['RGS|1', 'AIS|1|A|G1^Group therapy^L', 'AIP|1|A|10^Smith^Ann'];
    const both = siu('S12', sch(), TIME, PID, segment('PV1', { 2: 'O', 19: 'V1' }), other, ...resources, 'ZZZ|1');
    const record = new MemoryRecord(both, siu('S15', sch({ 6: 'ILL' }), TIME, other, ...resources));
    expect(defects(record)).toEqual([]);
    expect(record.all('Patient')).toHaveLength(2);
    expect(record.all('Appointment').map(({ status, participant }: any) => [status, participant.length])).toEqual([
      ['booked', 2],
      ['cancelled', 2],
    ]);
    const actors = record.all('Appointment').map(({ participant }: any) => participant[0].actor.reference);
    expect(new Set(actors).size).toBe(2);
    const single = new MemoryRecord(siu('S12', sch(), TIME, PID, ...resources), both);
    expect(single.all('Appointment')).toHaveLength(2);
    expect(normalize(both).details.unmapped).toEqual({ ZZZ: 1 });
  });

  it('S18 adds to those that take part; S19 to S22 say who stays', () => {
    const booked = siu('S12', sch(), TIME, PID, 'RGS|1', 'AIS|1|A|A1^First^L', 'AIP|1|A|10^Smith^Ann');
    const added = siu('S18', sch(), PID, 'RGS|1', 'AIS|1|A|B1^Second^L', 'AIL|1|A|ROOM1^^^HOSP');
    const names = (appointment: any): unknown => [
      appointment.status,
      appointment.serviceType.map(({ coding }: any) => coding[0].code),
      appointment.participant.map(({ actor }: any) => actor.display ?? 'patient'),
    ];
    expect(names(taken(booked, added))).toEqual(['booked', ['A1', 'B1'], ['patient', 'Ann Smith', 'ROOM1, HOSP']]);
    const kept = siu('S20', sch(), PID, 'RGS|1', 'AIS|1|X|A1^First^L', 'AIS|2|D|B1^Second^L', 'AIL|1|X|ROOM1^^^HOSP');
    expect(names(taken(booked, added, kept))).toEqual(['booked', ['A1'], ['patient', 'ROOM1, HOSP']]);
    expect(() => normalize(siu('S20', sch(), PID, 'RGS|1', 'AIS|1|D|B1^Second^L'))).toThrow('only what is taken away');
  });

  it('AIS-10 is the status where SCH-25 says none; offsets count from the start', () => {
    const appointment = taken(
      siu(
        'S12',
        sch(),
        TIME,
        PID,
        'AIS|1|A|A1|||||||Waitlist',
        'AIL|1|A|R1^^^HOSP||||-15|min|30|min',
        'AIP|1|A|1^X||||15|min',
      ),
    );
    expect(appointment.status).toBe('waitlist');
    expect(appointment.participant.map(({ period }: any) => period)).toEqual([
      undefined,
      { start: '2026-03-10T09:15:00.000Z', end: '2026-03-10T09:45:00.000Z' },
      { start: '2026-03-10T09:45:00.000Z' },
    ]);
  });

  it('a cancellation without a PID is one of the appointment of that number', () => {
    const cancelled = taken(siu('S12', sch(), TIME, PID), siu('S15', sch({ 1: '', 6: 'ILL' })));
    expect(cancelled).toMatchObject({ status: 'cancelled', cancelationReason: { coding: [{ code: 'ILL' }] } });
    expect(cancelled.participant).toHaveLength(1);
    expect(() => normalize(siu('S15', sch({ 1: '', 2: '' })))).toThrow('no PID');
  });

  it('no SCH, no PID: refused at their place', () => {
    const place = (...segments: string[]): unknown => {
      try {
        normalize(siu('S12', ...segments));
      } catch (thrown) {
        return thrown instanceof Error && 'expression' in thrown ? thrown.expression : thrown;
      }
      return undefined;
    };
    expect(place(PID)).toBe('SCH');
    expect(place(sch())).toBe('PID');
  });

  it('labels reach the appointment', () => {
    expect(taken(siu('S12', sch(), TIME, PID, 'ARV|1|A|PSY')).meta.security).toMatchObject([{ code: 'PSY' }]);
  });
});
