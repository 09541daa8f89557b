/**
 * The Changes of one message in the making: places for references, and one Change for each practitioner or organisation
 * however often the message names them. A class because it collects.
 */
import { changeReference, type BusinessKey, type Change, type MergeChange } from '../../formats/fhir/change.ts';
import { components } from '../../formats/hl7v2/delimiters.ts';
import { codeOf, compact, textOf, type Context, type Element } from './context.ts';
import { V2_TABLE } from './datatypes/codeable-concept.ts';
import { assignerOf, identified, withCheckDigit, type Identified } from './datatypes/identifier.ts';
import { nameText, xcnName } from './datatypes/human-name.ts';
import { identifierKey } from './source-profile.ts';

/** A Change without its mode and, mostly, its time. */
export type MergeParts = Omit<MergeChange, 'mode' | 'sourceTime'> & { readonly sourceTime?: number };

export class ChangeList {
  readonly changes: Change[] = [];
  readonly #sourceTime: number;
  readonly #directory = new Map<string, number>();

  /** `sourceTime`: of the message, milliseconds since 1970. */
  constructor(sourceTime: number) {
    this.#sourceTime = sourceTime;
  }

  /** Adds a Change and returns its position. */
  add(parts: MergeParts): number {
    return this.changes.push({ mode: 'merge', sourceTime: this.#sourceTime, ...parts }) - 1;
  }

  /** Adds entries to an array element of a Change that is there already. */
  appendTo(index: number, element: string, entries: readonly Element[]): void {
    const change = this.changes[index];
    if (change.mode !== 'merge' || entries.length === 0) return;
    const before = change.append?.[element] ?? [];
    this.changes[index] = { ...change, append: { ...change.append, [element]: [...before, ...entries] } };
  }

  /** Changes parts of a Change that is there already: its keys, and what it says of its numbers. */
  amend(
    index: number,
    parts: Partial<
      Pick<MergeParts, 'keys' | 'sole' | 'apart' | 'retire' | 'revive' | 'relation' | 'patient' | 'movedFrom'>
    >,
  ): void {
    const change = this.changes[index];
    if (change.mode === 'merge') this.changes[index] = { ...change, ...parts };
  }

  /** Sets elements of a Change that is there already. */
  setOn(index: number, elements: Element): void {
    const change = this.changes[index];
    if (change.mode === 'merge') this.changes[index] = { ...change, set: { ...change.set, ...elements } };
  }

  /**
   * A reference to the practitioner of an XCN. Known by identifier: a resource of its own, which this source only fills
   * where it is empty (messages repeat directories, they do not keep them). A name alone is a reference by display. `elements`: what
   * else the message says of them.
   */
  practitioner(context: Context, raw: string, elements?: Element): Element | undefined {
    if (raw === '' || raw === '""') return undefined;
    const parts = components(raw, context.by);
    const check = parts.length > 10 && parts[10] !== '' ? parts.slice(10, 12) : undefined;
    return this.#person(
      context,
      raw,
      parts[0],
      parts[8],
      parts[12],
      xcnName(context, parts),
      parts[6],
      check,
      elements,
    );
  }

  /** A reference to the practitioner of CNN subcomponents (the first component of NDL). */
  interpreter(context: Context, parts: readonly string[]): Element | undefined {
    const hd = parts.slice(8, 11);
    const assigner = hd.join(context.by.subcomponent);
    return this.#person(
      context,
      parts.join(context.by.subcomponent),
      parts[0],
      assigner,
      undefined,
      xcnName(context, parts),
      parts[6],
    );
  }

  #person(
    context: Context,
    raw: string,
    id: string | undefined,
    assigner: string | undefined,
    type: string | undefined,
    name: Element | undefined,
    degree: string | undefined,
    check?: readonly string[],
    elements: Element = {},
  ): Element | undefined {
    const display = nameText(name);
    const known = this.#directory.get(`Practitioner ${raw}`);
    if (known !== undefined) {
      this.#fill(known, elements);
      return compact({ reference: changeReference(known), display });
    }
    const value = textOf(context, id);
    if (value === undefined) return display === undefined ? undefined : { display };
    const hd = assignerOf(context, assigner);
    // `NPI` is found in either place.
    const code = codeOf(context, type) ?? (hd.namespace === 'NPI' ? 'NPI' : '');
    const identifier = identified(context, value, hd, code === '' ? 'PRN' : code, undefined);
    const checked = check === undefined ? identifier : withCheckDigit(context, identifier, check[0], check[1]);
    return this.entry('Practitioner', raw, checked, display, {
      name: name === undefined ? undefined : [name],
      qualification: degreesOf(context, degree),
      ...elements,
    });
  }

  /** A reference to the organisation of an XON, as `practitioner`. `elements`: what else the message says of it. */
  organization(context: Context, raw: string, elements: Element = {}): Element | undefined {
    if (raw === '' || raw === '""') return undefined;
    const parts = components(raw, context.by);
    const display = textOf(context, parts[0]);
    const value = textOf(context, parts[9]) ?? textOf(context, parts[2]);
    if (value === undefined) return display === undefined ? undefined : { display };
    const identifier = identified(
      context,
      value,
      assignerOf(context, parts[5]),
      codeOf(context, parts[6]) ?? 'XX',
      undefined,
    );
    const checked = withCheckDigit(context, identifier, parts[3], parts[4]);
    return this.entry('Organization', raw, checked, display, { name: display, ...elements });
  }

  /**
   * A reference to the practitioner or organisation of an identifier, which this source only fills where it is empty.
   * `raw`: the text that names it here, so that the same text is not read twice.
   */
  entry(
    type: 'Practitioner' | 'Organization',
    raw: string,
    found: Identified,
    display: string | undefined,
    elements: Element,
  ): Element {
    const key = identifierKey(found.system, found.value);
    const index = this.shared(type, key, { identifier: [found.identifier], active: true, ...elements });
    this.#directory.set(`${type} ${raw}`, index);
    return compact({ reference: changeReference(index), display });
  }

  /** What a later mention says beside what the first one said. */
  #fill(index: number, elements: Element): void {
    const change = this.changes[index];
    if (change.mode !== 'merge') return;
    const initial = change.initial ?? {};
    const more = Object.entries(compact(elements)).filter(([name]) => initial[name] === undefined);
    if (more.length > 0) this.changes[index] = { ...change, initial: { ...initial, ...Object.fromEntries(more) } };
  }

  /**
   * Position of something of the directory that a message may name more than once: one Change, which only fills what is not
   * known yet.
   */
  shared(type: 'Practitioner' | 'Organization' | 'Location' | 'Device', key: BusinessKey, said: Element): number {
    const elements = type === 'Organization' ? withoutHomes(said) : said;
    const name = `${type} ${JSON.stringify(key)}`;
    const known = this.#directory.get(name);
    if (known !== undefined) {
      this.#fill(known, elements);
      return known;
    }
    const index = this.add({ type, keys: [key], set: { resourceType: type }, initial: compact(elements) });
    this.#directory.set(name, index);
    return index;
  }
}

/** XCN.7, degree: a code of table 0360, else the words for it. It stands behind the name as well, as people write it. */
function degreesOf(context: Context, raw: string | undefined): Element[] {
  const text = codeOf(context, raw);
  if (text === undefined) return [];
  const code = /^[A-Za-z]{2,6}$/.test(text) ? { coding: [{ system: `${V2_TABLE}0360`, code: text }] } : { text };
  return [{ code }];
}

/** An organisation has no home (R4 org-2, org-3): senders mark its only number or address so all the same, as the kind they know. */
function withoutHomes(elements: Element): Element {
  const kept = { ...elements };
  for (const name of ['address', 'telecom']) {
    const entries: unknown = elements[name];
    if (!Array.isArray(entries)) continue;
    kept[name] = entries
      .map((entry: Element) => (entry.use === 'home' ? { ...entry, use: undefined } : entry))
      .map(compact);
  }
  return kept;
}
