/** Which message types and events are taken, and what converts them: the one table of message structures. */
import { adt } from './adt.ts';
import { oruR01 } from './oru-r01.ts';
import type { Structure } from './structure.ts';

/** Message code (MSH-9.1) to trigger event (MSH-9.2) to its structure. */
export const STRUCTURES: Readonly<Record<string, Readonly<Record<string, Structure>>>> = {
  ADT: { A01: adt('A01'), A03: adt('A03'), A04: adt('A04'), A08: adt('A08') },
  ORU: { R01: oruR01 },
};
