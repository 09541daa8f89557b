/** Which message types and events are taken, and what converts them: the one table of message structures. */
import { codeTable } from '../../core/code-table.ts';
import { adt, adtA17 } from './adt.ts';
import { adtAccounts } from './adt-account.ts';
import { adtLink, adtMerge } from './adt-merge.ts';
import { adtA43, adtA44, adtA45 } from './adt-move.ts';
import { adtAccountNumber, adtAlternateNumber, adtPatientNumber, adtVisitNumber } from './adt-number.ts';
import { adtA42 } from './adt-visit.ts';
import { orders } from './orders.ts';
import { bar, barP02, dftP03 } from './dft-p03.ts';
import { mdm } from './mdm-t02.ts';
import { mfnM02, mfnM05 } from './mfn.ts';
import { oruR01 } from './oru-r01.ts';
import { adtA20 } from './npu.ts';
import { oul } from './oul.ts';
import { pharmacy } from './pharmacy.ts';
import { pathways } from './ppr-pc1.ts';
import { ref } from './ref-i12.ts';
import { siu } from './siu-s12.ts';
import type { Structure } from './structure.ts';
import { vxuV04 } from './vxu-v04.ts';

/** Message code (MSH-9.1) to trigger event (MSH-9.2) to its structure. */
export const STRUCTURES: Readonly<Record<string, Readonly<Record<string, Structure>>>> = codeTable({
  ADT: {
    A01: adt('A01'),
    A02: adt('A02'),
    A03: adt('A03'),
    A04: adt('A04'),
    A05: adt('A05'),
    A06: adt('A06'),
    A07: adt('A07'),
    A08: adt('A08'),
    A09: adt('A09'),
    A10: adt('A10'),
    A11: adt('A11'),
    A12: adt('A12'),
    A13: adt('A13'),
    A14: adt('A14'),
    A15: adt('A15'),
    A16: adt('A16'),
    A17: adtA17,
    A18: adtMerge(),
    A20: adtA20,
    A21: adt('A21'),
    A22: adt('A22'),
    A23: adt('A23'),
    A24: adtLink('seealso'),
    A25: adt('A25'),
    A26: adt('A26'),
    A27: adt('A27'),
    A28: adt('A28'),
    A29: adt('A29'),
    A30: adtMerge(),
    A31: adt('A31'),
    A32: adt('A32'),
    A33: adt('A33'),
    A34: adtMerge(),
    A35: adtAccounts,
    A36: adtMerge({ accounts: true }),
    A37: adtLink('none'),
    A38: adt('A38'),
    A39: adtMerge(),
    A40: adtMerge(),
    A41: adtAccounts,
    A42: adtA42,
    A43: adtA43,
    A44: adtA44,
    A45: adtA45,
    A46: adtPatientNumber,
    A47: adtPatientNumber,
    A48: adtAlternateNumber,
    A49: adtAccountNumber,
    A50: adtVisitNumber('A50'),
    A51: adtVisitNumber('A51'),
    A52: adt('A52'),
    A53: adt('A53'),
    A54: adt('A54'),
    A55: adt('A55'),
    A60: adt('A60'),
    A61: adt('A61'),
    A62: adt('A62'),
  },
  OMG: { O19: orders() },
  OMI: { O23: orders() },
  OML: { O21: orders(), O33: orders('SPM ORC'), O35: orders('SPM ORC') },
  OMP: { O09: orders() },
  ORM: { O01: orders() },
  ORU: { R01: oruR01, R30: oruR01, R31: oruR01, R32: oruR01 },
  OUL: { R21: oul('ORC'), R22: oul('SPM OBR'), R23: oul('SPM OBR'), R24: oul('OBR') },
  RAS: { O01: pharmacy('RXA'), O17: pharmacy('RXA') },
  RDE: { O01: pharmacy('RXE'), O11: pharmacy('RXE'), O25: pharmacy('RXE') },
  RDS: { O01: pharmacy('RXD'), O13: pharmacy('RXD') },
  RGV: { O01: pharmacy('RXG'), O15: pharmacy('RXG') },
  VXU: { V04: vxuV04 },
  SIU: {
    S12: siu('S12'),
    S13: siu('S13'),
    S14: siu('S14'),
    S15: siu('S15'),
    S16: siu('S16'),
    S17: siu('S17'),
    S18: siu('S18'),
    S19: siu('S19'),
    S20: siu('S20'),
    S21: siu('S21'),
    S22: siu('S22'),
    S26: siu('S26'),
  },
  MDM: {
    T01: mdm('T01'),
    T02: mdm('T02'),
    T03: mdm('T03'),
    T04: mdm('T04'),
    T05: mdm('T05'),
    T06: mdm('T06'),
    T07: mdm('T07'),
    T08: mdm('T08'),
    T09: mdm('T09'),
    T10: mdm('T10'),
    T11: mdm('T11'),
  },
  DFT: { P03: dftP03, P11: dftP03 },
  BAR: { P01: bar('active'), P02: barP02, P05: bar(undefined), P06: bar('inactive'), P12: bar(undefined) },
  PPR: { PC1: pathways(), PC2: pathways(), PC3: pathways(true) },
  PGL: { PC6: pathways(), PC7: pathways(), PC8: pathways(true) },
  PPP: { PCB: pathways(), PCC: pathways(), PCD: pathways(true) },
  REF: { I12: ref('I12'), I13: ref('I13'), I14: ref('I14') },
  MFN: { M02: mfnM02, M05: mfnM05 },
});

/** What a message says that names its type and no event: in versions 2.1 and 2.2 these types had one alone. */
export const EVENT_WITHOUT_NAME: Readonly<Record<string, string>> = codeTable({
  DFT: 'P03',
  ORM: 'O01',
  ORU: 'R01',
  RAS: 'O01',
  RDE: 'O01',
  RDS: 'O01',
  RGV: 'O01',
  VXU: 'V04',
});
