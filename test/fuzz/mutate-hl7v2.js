// Damage to HL7 v2 messages: what real senders, networks and attackers do to them. Works on bytes as Latin-1 text, so that
// every byte can be touched whatever the character set.

const FILL = [
  '',
  '""',
  ' ',
  '|',
  '^',
  '~',
  '&',
  '\\',
  '\r',
  '\n',
  '\r\n',
  '\0',
  '\x0b',
  '\x1c',
  '\x85',
  '\xff\xfe',
  '\xef\xbb\xbf',
  '<5',
  '>=1.50',
  '-0',
  '1e999',
  '0x10',
  '1:128',
  '9'.repeat(400),
  '.5',
  '5.',
  '+1',
  '20240230',
  '00000000',
  '99999999999999.9999-9999',
  '2026',
  '20260301120000.123456+1400',
  '24:60',
  '2.16.840.1.113883.19.4.6&ISO',
  '1.2..3^ISO',
  'http://example.org/ id',
  'urn:uuid:00000000-0000-0000-0000-000000000000',
  'change:0',
  'Patient/1',
  '#x',
  '__proto__',
  'constructor',
  'toString',
  '<script>alert(1)</script>',
  "' or 1=1 --",
  '\xc3\x28',
  '\xed\xa0\x80',
  '\x1b$B',
  'NM',
  'SN',
  'ED',
  'RP',
  'CWE',
  'FT',
  'TM',
  'DR',
  'NR',
  'F',
  'C',
  'W',
  'X',
  'U',
];
const ESCAPES = [
  '\\F\\',
  '\\S\\',
  '\\T\\',
  '\\R\\',
  '\\E\\',
  '\\P\\',
  '\\H\\bold\\N\\',
  '\\X0D0A\\',
  '\\X0B1C00\\',
  '\\XFF\\',
  '\\X1\\',
  '\\XZZ\\',
  '\\C2842\\',
  '\\M8142\\',
  '\\M2442\\',
  '\\M242844\\',
  '\\C2D46\\',
  '\x1b$B',
  '\x1b(B',
  '\x1b$)C',
  '\x1b$(D',
  '\x1b-A\xe4',
  '\\.br\\',
  '\\.sp+99\\',
  '\\.in-5\\',
  '\\.ce\\',
  '\\Zlocal\\',
  '\\',
  '\\\\\\',
  '\\E',
];
const CHARSETS = [
  'ASCII',
  '8859/1',
  '8859/2',
  '8859/5',
  '8859/8',
  '8859/15',
  'UNICODE UTF-8',
  'UNICODE UTF-16',
  'GB 18030-2000',
  'BIG-5',
  'KS X 1001',
  'ISO IR87',
  'ISO IR14',
  'ISO IR159',
  'ASCII~ISO IR87',
  'ISO IR13~ISO IR87~ISO IR159',
  'ASCII~KS X 1001',
  'ASCII~8859/7~8859/5',
  'UNICODE UTF-32',
  '8859/11',
  'windows-1252',
  'constructor',
  'CNS 11643-1992',
  'nonsense',
  '""',
];
const DELIMITERS = ['^~\\&', '^~\\&#', '$%*+', '^^\\&', '^~', '^', '', '^~\\&##', 'abcd', '^~\\|', '\xa7~\\&', '!@#$'];
const TYPES = [
  'ADT^A01',
  'ADT^A03',
  'ADT^A08',
  'ADT^A17',
  'ADT^A24',
  'ADT^A40',
  'ADT^A45',
  'ADT^A60',
  'ADT^Z99',
  'ORU^R01',
  'ORU^R30',
  'ORM^O01',
  'OML^O21',
  'OMG^O19',
  'OMP^O09',
  'RDE^O11',
  'RDS^O13',
  'RAS^O17',
  'VXU^V04',
  'SIU^S12',
  'SIU^S26',
  'MDM^T02',
  'MDM^T11',
  'DFT^P03',
  'BAR^P01',
  'PPR^PC1',
  'REF^I12',
  'OUL^R22',
  'MFN^M02',
  'MFN^M05',
  'ACK',
  'ADT',
  '^A01',
  'XXX^YYY',
];
const ENDS = ['\r', '\n', '\r\n', '\r\r', '\n\r', '\0', ''];

const lines = (text) => text.split(/(?<=[\r\n])/);
const LONGEST = 400_000;

/** The messages of `seeds` lend their segments. Every function gives another text. */
export const HL7_MUTATIONS = {
  flip(text, random) {
    let out = text;
    for (let n = random.few(8); n > 0; n -= 1) {
      const at = random.below(out.length);
      out = out.slice(0, at) + String.fromCharCode(random.below(256)) + out.slice(at + 1);
    }
    return out;
  },
  cut: (text, random) => (random.chance(50) ? text.slice(0, random.below(text.length)) : text.slice(random.below(40))),
  splice(text, random, seeds) {
    const other = random.pick(seeds);
    return text.slice(0, random.below(text.length)) + other.slice(random.below(other.length));
  },
  insert(text, random) {
    const at = random.below(text.length);
    return text.slice(0, at) + random.pick(FILL) + text.slice(at + random.below(12));
  },
  deleteSegment: (text, random) => without(lines(text), random.below(lines(text).length)).join(''),
  repeatSegment(text, random) {
    const all = lines(text);
    const at = random.below(all.length);
    const times = random.chance(5) ? 300 : random.few(12);
    return all.flatMap((line, i) => (i === at ? Array(times + 1).fill(line) : [line])).join('');
  },
  shuffle(text, random) {
    const [head = '', ...rest] = lines(text);
    for (let i = rest.length - 1; i > 0; i -= 1) {
      const j = random.below(i + 1);
      [rest[i], rest[j]] = [rest[j], rest[i]];
    }
    return head + rest.join('');
  },
  graft(text, random, seeds) {
    const all = lines(text);
    const foreign = lines(random.pick(seeds)).slice(1);
    for (let n = random.few(5); n > 0 && foreign.length > 0; n -= 1)
      all.splice(random.below(all.length + 1), 0, random.pick(foreign));
    return all.join('');
  },
  strangeSegment(text, random) {
    const all = lines(text);
    const id = random.pick([
      'ZZZ',
      'Z1A',
      'NTE',
      'MSH',
      'PID',
      'obx',
      'A',
      '',
      'ORC',
      'MRG',
      'DSC',
      'BTS',
      'FTS',
      '123',
    ]);
    all.splice(random.below(all.length + 1), 0, `${id}|${random.pick(FILL)}|${random.pick(FILL)}${random.pick(ENDS)}`);
    return all.join('');
  },
  field(text, random) {
    const all = lines(text);
    const at = random.below(all.length);
    const fields = all[at].split('|');
    const place = random.below(fields.length + 3);
    const action = random.below(4);
    if (action === 0) fields.splice(place, 1);
    else if (action === 1) fields.splice(place, 0, random.pick(FILL));
    else if (action === 2) fields[place] = random.pick(FILL);
    else fields[place] = fields[random.below(fields.length)] ?? '';
    all[at] = fields.join('|');
    return all.join('');
  },
  parts(text, random) {
    const all = lines(text);
    const at = random.below(all.length);
    const fields = all[at].split('|');
    const place = random.below(fields.length);
    const by = random.pick(['^', '~', '&']);
    const parts = fields[place].split(by);
    if (random.chance(50)) parts.push(random.pick(FILL));
    else parts[random.below(parts.length)] = random.pick(FILL);
    fields[place] = parts.join(by);
    all[at] = fields.join('|');
    return all.join('');
  },
  many(text, random) {
    const by = random.pick(['^', '~', '&', '|', '\r', '\\', '\\E\\', 'OBX|1|ST|\r', 'a~']);
    const at = random.below(text.length);
    return text.slice(0, at) + by.repeat(random.chance(10) ? 20_000 : 50 + random.below(1000)) + text.slice(at);
  },
  huge(text, random) {
    const at = random.below(text.length);
    const length = random.chance(3) ? LONGEST : 1000 + random.below(60_000);
    return (
      text.slice(0, at) +
      random.pick(['A', '0', ' ', 'QUJD', '\xe9', '\\']).repeat(length).slice(0, length) +
      text.slice(at)
    );
  },
  escape(text, random) {
    const at = random.below(text.length);
    return text.slice(0, at) + random.pick(ESCAPES).repeat(random.few(3)) + text.slice(at);
  },
  delimiters(text, random) {
    const encoding = random.pick(DELIMITERS);
    if (random.chance(50)) return text.replace('^~\\&', encoding);
    const field = random.pick(['|', '#', '$', 'a', '^', '\r', '\xb6', '"', '[']);
    return text.replace(/^(...)\|/, `$1${field}`).replaceAll('|', random.chance(60) ? field : '|');
  },
  charset(text, random) {
    const all = lines(text);
    const fields = (all[0] ?? '').trimEnd().split('|');
    while (fields.length < 18) fields.push('');
    fields[17] = random.pick(CHARSETS);
    all[0] = `${fields.join('|')}\r`;
    const joined = all.join('');
    if (random.chance(50)) return joined;
    const at = random.below(joined.length);
    return joined.slice(0, at) + random.bytes(random.few(6)).toString('latin1') + joined.slice(at);
  },
  mark: (text, random) => random.pick(['\xef\xbb\xbf', '\xff\xfe', '\xfe\xff', '\xef\xbb']) + text,
  wide(text, random) {
    if (text.length > LONGEST / 4) return text;
    const size = random.pick([2, 4]);
    const seat = random.pick([0, size - 1]);
    const marked = random.chance(70) ? `\ufeff${text}` : text;
    const bytes = Buffer.alloc(marked.length * size);
    for (let i = 0; i < marked.length; i += 1) {
      bytes[i * size + seat] = marked.charCodeAt(i) & 0xff;
      bytes[i * size + (seat === 0 ? 1 : seat - 1)] = marked.charCodeAt(i) >> 8;
    }
    return bytes.toString('latin1');
  },
  lead: (text, random) => random.pick(['\r\n', '\0', ' ', '\n\xef\xbb\xbf', '\x1a']).repeat(random.few(3)) + text,
  tail: (text, random) => text + random.pick(['\0', '\x1a', ' \r', '\r\n\0\r']).repeat(random.few(3)),
  words: (text, random) => text.replace(/\r/, `\rNTE|1||text\n${random.pick(['MSH was', 'BTS x', 'FHS', 'MSH|x'])}\r`),
  ends(text, random) {
    const to = random.pick(ENDS);
    return lines(text)
      .map((line) => line.replace(/[\r\n]+$/, random.chance(80) ? to : random.pick(ENDS)))
      .join('');
  },
  type: (text, random) => text.replace(/^((?:[^|]*\|){8})[^|]*/, (_, head) => head + random.pick(TYPES)),
  digits: (text, random) => text.replace(/\d{8,14}/g, (date) => (random.chance(40) ? random.pick(FILL) : date)),
  batch(text, random, seeds) {
    const messages = Array.from({ length: random.few(4) }, () => random.pick(seeds));
    const count = random.pick([messages.length + 1, 0, -1, '', 'x', '99999999999']);
    return `${random.pick(['FHS|^~\\&\rBHS|^~\\&\r', 'BHS|^~\\&|A|B\r', ''])}${text}${messages.join('')}BTS|${count}\rFTS|1\r`;
  },
};

function without(list, at) {
  return list.filter((_, i) => i !== at);
}

/** Damage that mostly leaves a message to be converted, so that half of the inputs reach the mappings. */
const GENTLE = [
  'field',
  'parts',
  'escape',
  'digits',
  'graft',
  'repeatSegment',
  'deleteSegment',
  'strangeSegment',
  'shuffle',
];

/** Damages a message one to five times. */
export function damageHl7v2(text, random, seeds) {
  const names = random.chance(50) ? GENTLE : Object.keys(HL7_MUTATIONS);
  let out = text;
  for (let n = random.few(5); n > 0; n -= 1) {
    const next = HL7_MUTATIONS[random.pick(names)](out, random, seeds);
    if (next.length <= 2 * LONGEST) out = next;
  }
  return out;
}
