import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseMessageDetails } from '../../../../src/audit/message-details.ts';
import { renderMessageHeader } from '../../../../src/audit/message-header.ts';
import { renderProvenance } from '../../../../src/audit/provenance.ts';
import { elementsOf } from '../../../../src/formats/fhir/definitions.ts';
import { parseHl7v2 } from '../../../../src/formats/hl7v2/message.ts';
import { normalizeHl7v2 } from '../../../../src/normalize/hl7v2/normalize.ts';
import { makeSourceProfile } from '../../../../src/normalize/hl7v2/source-profile.ts';
import { STRUCTURES } from '../../../../src/normalize/hl7v2/structures.ts';
import { VISIT_RULES } from '../../../../src/normalize/hl7v2/visit-event.ts';

const docs = new URL('../../../../docs/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, docs), 'utf8');

/** `A01 to A03, A05` as single codes. */
function expand(text: string): string[] {
  return [...text.matchAll(/([A-Z]+)(\d+)(?: to [A-Z]+(\d+))?|\b(P[CP][A-Z\d])\b/g)].flatMap(
    ([, letter, from, to, whole]) => {
      if (whole !== undefined) return [whole];
      const last = Number(to ?? from);
      return Array.from(
        { length: last - Number(from) + 1 },
        (_, i) => letter + String(Number(from) + i).padStart(from.length, '0'),
      );
    },
  );
}

interface Tool {
  differencesDocument(): Promise<string>;
  fieldsDocument(product: unknown): Promise<string>;
  productOf(modules: object): unknown;
}
const tool = (await import(new URL('../tools/hl7v2-docs.js', docs).href)) as Tool;

describe('docs/hl7v2-differences.md', () => {
  it('is what the accepted differences say', async () => {
    expect(read('hl7v2-differences.md')).toBe(await tool.differencesDocument());
  });
});

describe('docs/hl7v2-fields.md', () => {
  it('is what the code does; `node tools/hl7v2-docs.js` writes it', async () => {
    const product = tool.productOf({
      parseHl7v2,
      normalizeHl7v2,
      makeSourceProfile,
      parseMessageDetails,
      renderMessageHeader,
      renderProvenance,
      elementsOf,
      STRUCTURES,
    });
    expect(read('hl7v2-fields.md')).toBe(await tool.fieldsDocument(product));
  });
});

describe('docs/hl7v2-messages.md', () => {
  it('lists the events that are taken', () => {
    const rows = new Map(
      [...read('hl7v2-messages.md').matchAll(/^\| ([A-Z]{3}) +\| ([^|]+) \|/gm)].map(([, type, events]) => [
        type,
        expand(events),
      ]),
    );
    expect(rows.size).toBeGreaterThan(9);
    for (const [type, events] of rows)
      expect(events.toSorted(), type).toEqual(Object.keys(STRUCTURES[type] ?? {}).toSorted());
  });

  it('says of every ADT event what it means for the visit', () => {
    const table = read('hl7v2-messages.md').split('## What an ADT event says')[1]?.split('## ')[0] ?? '';
    const first = [...table.matchAll(/^\| ([^|]+) \|/gm)].map(([, events]) => events).join(' ');
    const known = Object.keys(VISIT_RULES).filter((event) => event.startsWith('A'));
    expect([...new Set(expand(first.replace('PV1-45', '')))].toSorted()).toEqual(known.toSorted());
  });

  it('and hl7v2.md name every type', () => {
    for (const type of Object.keys(STRUCTURES)) expect(read('hl7v2.md'), type).toMatch(new RegExp(`\\b${type}\\b`));
  });
});
