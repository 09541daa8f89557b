// Which field of which segment goes to which element, asked of the code itself: each field of a message of each kind is filled
// in turn with values of its type, the message is normalised, and what differs is where the field goes. What no value changes
// anything for is not mapped. So the tables cannot say what the code does not do.
import dictionary from 'hl7-dictionary';
import { baseOf, INSTEAD, KINDS, LATER, READING, TOGETHER, WORDS } from './hl7v2-kinds.js';

/** Values of a data type that say something wherever they are read. */
const VALUES = {
  CX: ['77^^^G&1.2.3&ISO^MR'],
  XCN: ['77^Quist^Bo^^^^^^H'],
  CNN: ['77^Quist^Bo'],
  NDL: ['77&Quist&Bo'],
  XPN: ['Quist^Bo'],
  XAD: ['7 Elm^^Ely^CAM^7^GBR^H'],
  XTN: ['555-7777^PRN^PH'],
  XON: ['Seven^^^^^H^XX^^^77'],
  EI: ['E77^H'],
  EIP: ['E77&H^E78&H'],
  PL: ['W7^77^B^H'],
  HD: ['SEVEN^1.2.7^ISO'],
  CQ: ['7^mg', '7^D'],
  TM: ['1130'],
  TQ: ['7^BID^D7^20260401'],
  RPT: ['BID'],
  FC: ['7^20260101'],
  DLD: ['H7&Home'],
  PRL: ['1&A&L^7'],
  SPS: ['BLD&Blood&L'],
  DR: ['20260105^20260106'],
  CP: ['7&USD'],
  MO: ['7^USD'],
  JCC: ['7^C'],
  DLN: ['D77^CA'],
  LA2: ['W7^77^B^H'],
  PPN: ['77^Quist^Bo'],
  PLN: ['77^NPI'],
  VID: ['2.5'],
  PT: ['T'],
  MSG: [],
  CWE: ['X7^Seven^L'],
  CE: ['X7^Seven^L'],
  CNE: ['X7^Seven^L'],
  TS: ['20260105103000+0100', '20260105'],
  DTM: ['20260105103000+0100', '20260105'],
  DT: ['20260105'],
  NM: ['7', '2'],
  SI: ['7'],
};
/** Tried where the values of its own type change nothing: senders and versions disagree on types. */
const ANYTHING = [
  'Y',
  'N',
  'D',
  '7',
  'R',
  'X7^Seven^L',
  '20260105103000+0100',
  '77^Quist^Bo^^^^^^H',
  'Seven@x.example',
  '555-7777',
];

/**
 * The tables of all kinds. `product`: `normalize(text, onRead)` gives the Changes and details of a message and tells of each field that
 * is read, by its segment (from 0) and number; `rendered(details)` gives its MessageHeader and Provenance, `elementsOf(type)` the elements of a FHIR
 * type; `takes(type)` says whether a message type is taken.
 */
export function fieldTables(product) {
  return KINDS.filter(({ type }) => product.takes(type)).map((kind) => {
    const segments = segmentsOf(kind);
    return {
      title: kind.title ?? kind.type.replace('^', ' '),
      segments: segments.map((segment, at) => segmentTable(product, kind, segments, segment, at)),
    };
  });
}

/** Segments of the structure in their order, each once, but for those that say something else behind each other segment. */
function segmentsOf({ structure, without = [], more = {} }) {
  const found = [];
  const hanging = new Set(['NTE', 'PRT', 'ROL', 'RXR', 'RXC', 'TQ1', 'TQ2']);
  let head = '';
  const add = (name) => {
    const behind = hanging.has(name) || name === 'OBX' ? head : '';
    if (!hanging.has(name)) head = name;
    if (!found.some((other) => other.id === name && other.behind === behind)) found.push({ id: name, behind });
    for (const [id, anchor] of Object.entries(more)) if (anchor === name) add(id);
  };
  const walk = ({ segments, children, name }) => {
    if (name !== undefined && children === undefined && segments === undefined) {
      // A choice is written as one name.
      for (const one of name.split(',')) if (!without.includes(one)) add(one);
      return;
    }
    // Earlier results repeat patient, orders and results.
    if (/PRIOR|QUERY|RESPONSE/.test(name ?? '')) return;
    for (const child of segments?.segments ?? segments ?? children ?? []) walk(child);
  };
  walk({ segments: dictionary.definitions['2.5.1'].messages[structure].segments });
  return found;
}

function segmentTable(product, kind, segments, { id, behind }, at) {
  const mapped = [];
  const unmapped = [];
  const definitions = fieldsOf(id);
  const read = fieldsRead(product, kind, segments, at, definitions);
  definitions.forEach((definition, i) => {
    const field = i + 1;
    if (definition === undefined || (id === 'MSH' && READING.includes(field))) return;
    const elements = read.has(field) ? effectOf(product, kind, segments, at, field, definition) : [];
    if (elements.length > 0) mapped.push({ field, elements });
    // Set ids count the segments of a message.
    else if (definition.datatype !== 'SI' || field > 1) unmapped.push(field);
  });
  return { id, behind, mapped, unmapped };
}

/** Which segments are left out when a field is tried: none first. */
function omissions(id) {
  const speakers = INSTEAD[id] ?? [];
  return speakers.length === 0 ? [[]] : [[], speakers, ...speakers.map((one) => [one])];
}

/** The fields that the code looks at, with nothing else in the segment, with all else, and with what some fields need beside them. */
function fieldsRead(product, kind, segments, at, definitions) {
  const { id } = segments[at];
  const full = Object.fromEntries(
    definitions.flatMap((definition, i) =>
      definition === undefined || (id === 'MSH' && i < 12) ? [] : [[i + 1, valuesOf(id, i + 1, definition)[0]]],
    ),
  );
  const beside = Object.keys(TOGETHER)
    .filter((name) => name.startsWith(`${id}-`))
    .map((name) => TOGETHER[name]);
  const read = new Set();
  for (const without of omissions(id)) {
    for (const fields of [{}, full, { ...full, ...baseOf(kind, id) }, ...beside]) {
      const text = messageOf(kind, segments, at, fields, without);
      const line = lineNumber(kind, segments, at, without);
      try {
        product.normalize(text, (segment, field) => {
          if (segment === line) read.add(field);
        });
      } catch {
        // What is refused has been read as far as it was.
      }
    }
  }
  return read;
}

/** Fields of version 2.5.1, and those that came later. */
function fieldsOf(id) {
  const older = dictionary.definitions['2.5.1'].segments[id]?.fields ?? [];
  const newer = dictionary.definitions['2.7.1'].segments[id]?.fields ?? [];
  const later = LATER[id] ?? {};
  const count = Math.max(older.length, newer.length, ...Object.keys(later).map(Number));
  return Array.from({ length: count }, (_, i) => older[i] ?? newer[i] ?? (later[i + 1] && { datatype: later[i + 1] }));
}

/** What a field is tried with: what it alone knows, values of its type, codes of its table, anything. */
function valuesOf(id, field, { datatype, table }) {
  const codes = Object.keys(dictionary.tables[table]?.values ?? {}).filter((code) => /^[\w+<>-]{1,6}$/.test(code));
  const own = VALUES[datatype] ?? ['Seven'];
  return [...new Set([...(WORDS[`${id}-${field}`] ?? []), ...own, ...codes.slice(0, 40), ...ANYTHING])];
}

/** Where a field goes: elements, or what else it decides. Empty: nowhere. */
function effectOf(product, kind, segments, at, field, definition) {
  const { id } = segments[at];
  const together = TOGETHER[`${id}-${field}`] ?? {};
  let decides = [];
  for (const without of omissions(id)) {
    const base = contentOf(product, messageOf(kind, segments, at, together, without));
    if (base === undefined) continue;
    for (const value of valuesOf(id, field, definition)) {
      const variant = contentOf(product, messageOf(kind, segments, at, { ...together, [field]: value }, without));
      const elements = variant === undefined ? [] : changed(product, base, variant);
      const named = elements.filter((element) => !element.startsWith('('));
      if (named.length > 0) return gathered(named);
      if (elements.length > 0 && decides.length === 0) decides = elements;
    }
  }
  return decides;
}

/** Several parts of one backbone element are that element. */
function gathered(elements) {
  const parentOf = (element) => element.slice(0, Math.max(0, element.lastIndexOf('.')));
  const parents = elements.map(parentOf).filter((parent) => parent.includes('.'));
  const shared = new Set(parents.filter((parent, i) => parents.indexOf(parent) !== i || elements.includes(parent)));
  return [...new Set(elements.map((element) => (shared.has(parentOf(element)) ? parentOf(element) : element)))];
}

/** The lines of a message: the segment at `at`, and those that something stands in. */
function isThere(kind, { id }, i, at, without) {
  return i === at || (!without.includes(id) && Object.keys(baseOf(kind, id)).length > 0);
}

/** Number of a segment among the lines of the message, from 0. */
function lineNumber(kind, segments, at, without) {
  return segments.slice(0, at).filter((segment, i) => isThere(kind, segment, i, at, without)).length;
}

/** A message of a kind; the segment at `at` has `fields` over what stands in it. */
function messageOf(kind, segments, at, fields, without) {
  return segments
    .filter((segment, i) => isThere(kind, segment, i, at, without))
    .map((segment) => lineOf(segment.id, { ...baseOf(kind, segment.id), ...(segment === segments[at] && fields) }))
    .join('\r');
}

function lineOf(id, content) {
  const last = Math.max(0, ...Object.keys(content).map(Number));
  // MSH-1 is the divider itself.
  const first = id === 'MSH' ? 2 : 1;
  return [id, ...Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => content[i + first] ?? '')].join('|');
}

/** What is made of a message, as values at paths; undefined where it is refused. */
function contentOf(product, text) {
  let made;
  try {
    made = product.normalize(text);
  } catch {
    return undefined;
  }
  const { changes, details } = made;
  const rendered = product.rendered(details);
  return { text: JSON.stringify([changes, rendered]), changes, rendered };
}

/** The same as values at paths, and how many resources of each type. */
function valuesIn({ changes, rendered }) {
  const values = [];
  const counts = new Map();
  const target = (reference) => {
    const match = /^change:(\d+)$/.exec(reference);
    return match === null ? reference : changes[Number(match[1])].type;
  };
  for (const change of changes) {
    counts.set(change.type, (counts.get(change.type) ?? 0) + 1);
    for (const part of [change.set, change.initial, change.append, change.parts])
      collect(values, change.type, part ?? {}, target);
    for (const name of change.clear ?? []) values.push(`${change.type}.${name}=cleared`);
    values.push(
      `(known by)${change.type}=${JSON.stringify(change.keys)}`,
      `(order)${change.type}=${change.sourceTime}`,
    );
  }
  for (const one of rendered) collect(values, one.resourceType ?? 'MessageHeader', one, target);
  return { values, counts };
}

function collect(values, path, value, target) {
  if (Array.isArray(value)) {
    for (const each of value) collect(values, path, each, target);
  } else if (typeof value === 'object' && value !== null) {
    const extension = typeof value.url === 'string' && path.endsWith('xtension');
    // Dots divide elements.
    const at = extension ? `${path}:${value.url.split('/').at(-1).replaceAll('.', ' ')}` : path;
    for (const [name, member] of Object.entries(value))
      if (!(extension && name === 'url')) collect(values, `${at}.${name}`, member, target);
  } else {
    values.push(`${path}=${JSON.stringify(path.endsWith('.reference') ? target(String(value)) : value)}`);
  }
}

/** The elements at which two messages differ; a resource that only the second makes is its type alone. */
function changed(product, one, other) {
  if (one.text === other.text) return [];
  const [base, variant] = [one, other].map(valuesIn);
  const more = (some, others) => [...some].flatMap(([type, count]) => (count > (others.get(type) ?? 0) ? [type] : []));
  const found = new Set([
    ...more(variant.counts, base.counts),
    ...more(base.counts, variant.counts).map((type) => `(whether ${type})`),
  ]);
  const fresh = new Set([...more(variant.counts, base.counts), ...more(base.counts, variant.counts)]);
  for (const value of [...without(variant.values, base.values), ...without(base.values, variant.values)]) {
    const path = value.slice(0, value.indexOf('='));
    if (path.startsWith('(')) {
      if (!fresh.has(path.slice(path.indexOf(')') + 1))) found.add(path.slice(0, path.indexOf(')') + 1));
      continue;
    }
    const [type] = path.split('.');
    if (!fresh.has(type)) found.add(elementOf(product, path));
  }
  return [...found].filter((one) => !one.endsWith('.extension'));
}

/** Entries of a list that another does not have, as often as it has them more. */
function without(list, others) {
  const left = new Map();
  for (const other of others) left.set(other, (left.get(other) ?? 0) + 1);
  return list.filter((value) => {
    const count = left.get(value) ?? 0;
    left.set(value, count - 1);
    return count <= 0;
  });
}

/** A path as far as it names elements of the resource, not parts of their data types. */
function elementOf(product, path) {
  const [type, ...names] = path.split('.');
  const kept = [];
  let at = type;
  for (const name of names) {
    const [plain, url] = name.split(':');
    if (plain === 'meta') return names[1] === 'security' ? 'meta.security' : `${type}.meta`;
    if (plain.startsWith('_')) return [type, ...kept, plain.slice(1)].join('.');
    if (url !== undefined) return `${[type, ...kept].join('.')} (${url})`;
    const element = product
      .elementsOf(at)
      ?.find((one) => one.name === plain || (one.choice && plain.startsWith(one.name)));
    if (element === undefined) break;
    kept.push(element.choice ? `${element.name}[x]` : plain);
    const [kind] = element.kinds;
    if (kind === undefined || !kind.name.includes('.')) break;
    at = kind.name;
  }
  return [type, ...kept].join('.');
}
