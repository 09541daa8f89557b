// Damage to FHIR JSON, of the value and of its text.

/** Copied where they are put: what later mutations do to one input must not reach the next. */
const VALUES = [
  null,
  true,
  false,
  0,
  -0,
  1e308,
  -1,
  0.1,
  2 ** 53 + 2,
  '',
  ' ',
  'x',
  [],
  {},
  [null],
  [[]],
  [{}],
  { '': '' },
  { resourceType: 'X' },
  '2026-02-30',
  '2026-02-28T24:00:00Z',
  '9999-12-31T23:59:59.999999999+14:00',
  'Patient/1',
  '#a',
  'urn:uuid:x',
  'change:0',
  'http://[',
  '<div',
  '<div xmlns="http://www.w3.org/1999/xhtml"><script/></div>',
  'QQ==',
  'Q',
  '\ud800',
  '\u0000',
  '__proto__',
  'constructor',
  'toString',
];
const KEYS = [
  '__proto__',
  'constructor',
  'toString',
  'constructor',
  'resourceType',
  'id',
  'meta',
  'extension',
  'contained',
  '_id',
  'valueString',
  'x',
  '',
];

/** Characters that one mutation may add. */
const MOST_CHARACTERS = 1_000_000;

/** Every object and array of a value. A loop: what is nested too deep is for the product to refuse, not for this to die of. */
function nodes(value) {
  const found = [value];
  for (let at = 0; at < found.length; at += 1) {
    for (const child of Object.values(found[at])) if (typeof child === 'object' && child !== null) found.push(child);
  }
  return found;
}

const JSON_MUTATIONS = {
  set(root, random) {
    const node = random.pick(nodes(root));
    const key = random.chance(80) ? random.pick(Object.keys(node)) : random.pick(KEYS);
    if (key !== undefined) assign(node, key, structuredClone(random.pick(VALUES)));
  },
  drop(root, random) {
    const node = random.pick(nodes(root));
    const key = random.pick(Object.keys(node));
    if (Array.isArray(node)) node.splice(Number(key), 1);
    else delete node[key];
  },
  move(root, random) {
    const all = nodes(root);
    const [from, to] = [random.pick(all), random.pick(all)];
    const key = random.pick(Object.keys(to));
    if (key !== undefined && nodes(from).length < 5_000) assign(to, key, structuredClone(from));
  },
  repeat(root, random) {
    const lists = nodes(root).filter((node) => Array.isArray(node) && node.length > 0);
    if (lists.length === 0) return;
    const list = random.pick(lists);
    const entry = random.pick(list);
    // Repetitions of repetitions grow beyond any memory: the damage is to stay a request that could be sent.
    const size = JSON.stringify(entry)?.length ?? 1;
    const times = Math.min(random.chance(5) ? 2000 : random.few(20), MOST_CHARACTERS / (size + 1));
    for (let n = 0; n < times; n += 1) list.push(structuredClone(entry));
  },
  deepen(root, random) {
    const node = random.pick(nodes(root));
    const key = random.pick(Object.keys(node));
    if (key === undefined) return;
    let value = node[key];
    for (let n = random.pick([2, 30, 62, 70, 3000]); n > 0; n -= 1)
      value = random.chance(50) ? [value] : { extension: [{ url: 'x', valueString: 'y' }], contained: value };
    assign(node, key, value);
  },
  long(root, random) {
    const all = nodes(root);
    const node = random.pick(all);
    const key = random.pick(Object.keys(node));
    if (key !== undefined)
      assign(
        node,
        key,
        random.pick(['A', ' ', '9', 'é', '/', '-']).repeat(random.pick([300, 5000, all.length < 2_000 ? 300_000 : 10])),
      );
  },
};

function assign(node, key, value) {
  if (Array.isArray(node) && !/^\d+$/.test(key)) return;
  Object.defineProperty(node, key, { value, enumerable: true, configurable: true, writable: true });
}

/** The damaged text of a JSON value. Keeps to some 8 MB. */
export function damageJson(value, random) {
  const text = textOf(value, random);
  if (random.chance(60)) return Buffer.from(text);
  return damageBytes(Buffer.from(text), random);
}

/** Recursion of ours must not be what breaks: what is nested too deep for JSON.stringify becomes such text directly. */
function textOf(value, random) {
  const root = structuredClone(value);
  const names = Object.keys(JSON_MUTATIONS);
  try {
    for (let n = random.few(4); n > 0; n -= 1) JSON_MUTATIONS[random.pick(names)](root, random);
    return JSON.stringify(root).slice(0, 8_000_000);
  } catch (error) {
    if (!(error instanceof RangeError) && error?.name !== 'DataCloneError') throw error;
    return '['.repeat(10_000);
  }
}

/** Flips, cuts, repeats and inserts bytes. */
export function damageBytes(bytes, random) {
  let out = Buffer.from(bytes);
  for (let n = random.few(6); n > 0; n -= 1) {
    const at = random.below(out.length);
    const to = Math.min(out.length, at + random.few(40));
    const action = random.below(5);
    if (action === 0 && out.length > 0) out[at] = random.below(256);
    else if (action === 1) out = Buffer.concat([out.subarray(0, at), out.subarray(to)]);
    else if (action === 2) out = Buffer.concat([out.subarray(0, to), out.subarray(at)]);
    else if (action === 3) out = Buffer.concat([out.subarray(0, at), random.bytes(random.few(8)), out.subarray(at)]);
    else if (random.chance(20)) out = out.subarray(0, at);
    else if (out.length >= at + 4) out.writeUInt32BE(random.pick([0, 1, 0x7fffffff, 0xffffffff, 0xfffe, 65_536]), at);
  }
  return out;
}
