/**
 * HL7 v2 messages with a canary in every field: whole ones that are taken, and one variant for each field of each segment that
 * holds a canary where it may not belong, so that every kind of refusal is provoked.
 */
import type { Canaries } from './canary.ts';

type Fields = Readonly<Record<number, string>>;

function segment(name: string, fields: Fields): string {
  const last = Math.max(0, ...Object.keys(fields).map(Number));
  return [name, ...Array.from({ length: last }, (_, i) => fields[i + 1] ?? '')].join('|');
}

/** MSH: field 1 is the separator itself. */
function msh(type: string, control: string, sender: string): string {
  return `MSH|^~\\&|${sender}|${sender}F|GW|GWF|20250311093100+0100||${type}|${control}|P|2.5.1|||||DEU|UNICODE UTF-8`;
}

const message = (segments: readonly string[]): string => segments.map((line) => `${line}\r`).join('');

/** Segments of one person; every text is a canary of its own. */
function person(canaries: Canaries, tag: string, mrn: string): { pid: Fields; nk1: Fields; pv1: Fields } {
  const c = (field: string): string => canaries.text(`${tag} ${field}`);
  const phone = (field: string, number: string): string =>
    `^PRN^PH^${c(`${field}.4`)}@mail.example^^^${canaries.exact(`${tag} ${field}`, number)}`;
  const address = (field: string): string =>
    `${c(`${field}.1`)}^${c(`${field}.2`)}^${c(`${field}.3`)}^${c(`${field}.4`)}^${c(`${field}.5`)}^DEU^H`;
  const coded = (field: string): string => `${c(`${field}.1`)}^${c(`${field}.2`)}^${c(`${field}.3`)}`;
  const name = (field: string): string => `${c(`${field}.1`)}^${c(`${field}.2`)}^${c(`${field}.3`)}^^^^L`;
  const id = (field: string): string => `${c(`${field}.1`)}^^^${c(`${field}.4`)}^MR`;
  const doctor = (field: string): string =>
    `${c(`${field}.1`)}^${c(`${field}.2`)}^${c(`${field}.3`)}^^^^^^${c(`${field}.9`)}`;
  const pid: Fields = {
    1: '1',
    2: id('PID-2'),
    3: `${mrn}^^^${c('PID-3.4')}^MR~${c('PID-3.1b')}^^^^SS`,
    4: id('PID-4'),
    5: name('PID-5'),
    6: name('PID-6'),
    7: canaries.exact(`${tag} PID-7`, '19470823'),
    8: 'F',
    9: name('PID-9'),
    10: coded('PID-10'),
    11: address('PID-11'),
    12: c('PID-12'),
    13: phone('PID-13', '5550173946281'),
    14: phone('PID-14', '5550284057392'),
    15: coded('PID-15'),
    16: coded('PID-16'),
    17: coded('PID-17'),
    18: id('PID-18'),
    19: canaries.exact(`${tag} PID-19`, '913-47-8265'),
    20: c('PID-20'),
    21: id('PID-21'),
    22: coded('PID-22'),
    23: c('PID-23'),
    26: coded('PID-26'),
    27: coded('PID-27'),
    28: coded('PID-28'),
    35: coded('PID-35'),
  };
  const nk1: Fields = {
    1: '1',
    2: name('NK1-2'),
    3: coded('NK1-3'),
    4: address('NK1-4'),
    5: phone('NK1-5', '5550395168403'),
    6: phone('NK1-6', '5550406279514'),
    7: coded('NK1-7'),
    10: c('NK1-10'),
    12: id('NK1-12'),
    13: c('NK1-13'),
    30: name('NK1-30'),
    31: phone('NK1-31', '5550517380625'),
    33: id('NK1-33'),
  };
  const pv1: Fields = {
    1: '1',
    2: 'I',
    3: `${c('PV1-3.1')}^${c('PV1-3.2')}^${c('PV1-3.3')}^${c('PV1-3.4')}`,
    5: id('PV1-5'),
    6: `${c('PV1-6.1')}^${c('PV1-6.2')}`,
    7: doctor('PV1-7'),
    8: doctor('PV1-8'),
    9: doctor('PV1-9'),
    10: c('PV1-10'),
    17: doctor('PV1-17'),
    18: c('PV1-18'),
    19: `${mrn}V^^^${c('PV1-19.4')}^VN`,
    36: c('PV1-36'),
    44: '20250311093000+0100',
  };
  return { pid, nk1, pv1 };
}

/** An admission and a report of one person, to be accepted. `mrn` is the number by which the person can be searched. */
export function canaryMessages(canaries: Canaries): { readonly mrn: string; readonly accepted: readonly string[] } {
  const mrn = canaries.text('PID-3.1');
  const { pid, nk1, pv1 } = person(canaries, 'hl7v2', mrn);
  const c = (field: string): string => canaries.text(`hl7v2 ${field}`);
  const coded = (field: string): string => `${c(`${field}.1`)}^${c(`${field}.2`)}^${c(`${field}.3`)}`;
  const admission = message([
    msh('ADT^A01^ADT_A01', c('MSH-10 of ADT'), c('MSH-3 of ADT')),
    segment('EVN', { 1: 'A01', 2: '20250311093000+0100', 4: c('EVN-4'), 5: c('EVN-5'), 7: c('EVN-7') }),
    segment('PID', pid),
    segment('PD1', { 3: c('PD1-3'), 4: `${c('PD1-4.1')}^${c('PD1-4.2')}` }),
    segment('NK1', nk1),
    segment('PV1', pv1),
    segment('PV2', { 2: coded('PV2-2'), 3: coded('PV2-3'), 12: c('PV2-12') }),
    segment('AL1', { 1: '1', 3: coded('AL1-3'), 5: c('AL1-5') }),
    segment('DG1', { 1: '1', 3: coded('DG1-3'), 4: c('DG1-4') }),
    segment('GT1', { 1: '1', 3: c('GT1-3'), 5: c('GT1-5') }),
    segment('IN1', { 1: '1', 2: c('IN1-2'), 16: c('IN1-16'), 36: c('IN1-36') }),
    segment('ZPI', { 1: c('ZPI-1'), 2: c('ZPI-2') }),
  ]);
  const obx = (number: number, type: string, value: string, extra: Fields = {}): string =>
    segment('OBX', {
      1: String(number),
      2: type,
      3: `${c(`OBX-3 ${number}`)}^${c(`OBX-3.2 ${number}`)}^L`,
      5: value,
      11: 'F',
      ...extra,
    });
  const report = message([
    msh('ORU^R01^ORU_R01', c('MSH-10 of ORU'), c('MSH-3 of ORU')),
    segment('PID', pid),
    segment('NTE', { 1: '1', 3: c('NTE-3 of PID') }),
    segment('PV1', pv1),
    segment('ORC', {
      1: 'RE',
      2: `${c('ORC-2.1')}^${c('ORC-2.2')}`,
      3: `${c('ORC-3.1')}^${c('ORC-3.2')}`,
      12: c('ORC-12'),
      16: coded('ORC-16'),
      21: c('ORC-21'),
    }),
    segment('OBR', {
      1: '1',
      2: `${c('OBR-2.1')}^${c('OBR-2.2')}`,
      3: `${c('OBR-3.1')}^${c('OBR-3.2')}`,
      4: coded('OBR-4'),
      7: '20250311101500+0100',
      10: c('OBR-10'),
      13: c('OBR-13'),
      15: c('OBR-15'),
      16: `${c('OBR-16.1')}^${c('OBR-16.2')}`,
      18: c('OBR-18'),
      20: c('OBR-20'),
      22: '20250311114500+0100',
      25: 'F',
      28: c('OBR-28'),
      31: coded('OBR-31'),
      32: c('OBR-32'),
    }),
    segment('NTE', { 1: '1', 3: c('NTE-3 of OBR') }),
    obx(1, 'ST', c('OBX-5 ST')),
    obx(2, 'TX', `${c('OBX-5 TX')}~${c('OBX-5 TX b')}`),
    obx(3, 'NM', canaries.exact('OBX-5 NM', '84170.3692'), { 6: coded('OBX-6'), 7: c('OBX-7') }),
    obx(4, 'CWE', coded('OBX-5 CWE'), {
      8: c('OBX-8'),
      16: c('OBX-16'),
      17: coded('OBX-17'),
      18: c('OBX-18'),
      23: c('OBX-23'),
    }),
    obx(5, 'FT', String.raw`${c('OBX-5 FT')}\.br\${c('OBX-5 FT b')}`),
    obx(6, 'SN', `^${canaries.exact('OBX-5 SN', '71903.4482')}`),
    obx(7, 'ED', `^TEXT^^Base64^${Buffer.from(c('OBX-5 ED')).toString('base64')}`),
    // Large enough to leave its resource: its bytes lie in a blob.
    obx(8, 'ED', `^TEXT^^Base64^${Buffer.from(`${c('OBX-5 ED, large')} `.repeat(6_000)).toString('base64')}`),
    segment('NTE', { 1: '1', 3: `${c('NTE-3 of OBX')}~${c('NTE-3 b of OBX')}` }),
    segment('ZLR', { 1: c('ZLR-1') }),
  ]);
  return { mrn, accepted: [admission, report] };
}

/** Fields of each segment that are given a canary where it may not belong. */
const WIDTH: Readonly<Record<string, number>> = {
  MSH: 21,
  EVN: 7,
  PID: 39,
  NK1: 39,
  PV1: 52,
  ORC: 30,
  OBR: 50,
  OBX: 25,
  NTE: 5,
};

/** One message for each field of each segment, with a canary in that field; the answer may be anything. */
export function wrongMessages(canaries: Canaries): string[] {
  const base = [
    msh('ORU^R01^ORU_R01', 'CONTROL', 'LAB'),
    'EVN|R01|20250311093000+0100',
    'PID|1||WRONG-1^^^^MR||Muster^Max||19610213|F',
    'NK1|1|Muster^Erika',
    'PV1|1|I|W3',
    'ORC|RE|WRONG-P|WRONG-F',
    'OBR|1|WRONG-P|WRONG-F|24323-8^Panel^LN|||20250311101500+0100|||||||||||||||20250311114500+0100|||F',
    'OBX|1|NM|718-7^Hb^LN||12.1|g/dL|||||F',
    'NTE|1|L|Note',
  ];
  const messages = base.flatMap((line) => {
    const name = line.slice(0, 3);
    return Array.from({ length: WIDTH[name] ?? 0 }, (_, i) => {
      const fields = line.split('|');
      const at = name === 'MSH' ? i + 2 : i + 1;
      while (fields.length <= at) fields.push('');
      fields[at] = canaries.text(`wrong ${name}-${i + 1}`);
      return message(base.map((other) => (other === line ? fields.join('|') : other)));
    });
  });
  const c = (what: string): string => canaries.text(`wrong ${what}`);
  return [
    ...messages,
    c('garbage'),
    message([msh('ADT^A40^ADT_A39', c('control of A40'), 'X'), `PID|1||${c('PID of A40')}`, `MRG|${c('MRG')}`]),
    message([msh(`${c('type')}^${c('event')}`, 'C', 'X'), `PID|1||${c('PID of no type')}`]),
    message([msh('ORU^R01^ORU_R01', 'NOPID', 'X'), `OBX|1|NM|718-7||${c('OBX without order')}`]),
    message([msh('ORU^R01^ORU_R01', 'NUM', 'X'), base[2], base[6], `OBX|1|NM|718-7||${c('NM that is none')}||||||F`]),
    message([msh('ADT^A01^ADT_A01', 'DATE', 'X'), `PID|1||WRONG-2||${c('name beside a wrong date')}||19611345`]),
    `FHS|^~\\&|${c('FHS')}\rBHS|^~\\&|${c('BHS')}\r${message([base[0], base[2]])}BTS|7\rFTS|1\r`,
  ];
}
