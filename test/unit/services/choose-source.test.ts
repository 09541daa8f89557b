import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ackHeader } from '../../../src/formats/hl7v2/ack.ts';
import {
  builtInSource,
  parseSourceDefinition,
  type SourceDefinition,
} from '../../../src/normalize/hl7v2/source-definition.ts';
import { chooseKeptSource, chooseSource, type SourceRules } from '../../../src/services/choose-source.ts';
import type { ClientCertificate } from '../../../src/services/sources.ts';
import { profile } from '../../support/hl7v2.ts';

function source(name: string, json: object): SourceDefinition {
  const parsed = parseSourceDefinition(name, { assigner: `urn:x:${name}`, ...json }, 1);
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults));
  return parsed.definition;
}

const LAB = source('lab', { match: [{ application: 'LAB', facility: 'STM' }], processingIds: ['P', 'T'] });
const ENGINE = source('engine', { match: [{ application: 'ENG*' }], facilities: ['STM', '1.2.9'] });
const WIDE = source('wide', { match: [{ facility: 'ST*' }] });
const KEY = { fingerprint: 'ab'.repeat(32), subject: 'O=Ward,CN=w1' };
const WARD = source('ward', { match: [{ application: 'WARD' }], clients: [{ fingerprint: KEY.fingerprint }] });
const DESK = source('desk', { clients: [{ subject: 'CN=desk' }], acknowledgement: 'enhanced' });

const RULES: SourceRules = {
  definitions: [LAB, ENGINE, WIDE, WARD, DESK],
  fallback: builtInSource(profile({ name: 'default' })),
  unknown: 'refuse',
  unboundClients: false,
};

function choose(
  application: string,
  facility: string,
  more: {
    client?: ClientCertificate;
    /** Of a message that is kept: the source it came from. */
    kept?: string;
    processing?: string;
    rules?: Partial<SourceRules>;
  } = {},
): string {
  const head = `MSH|^~\\&|${application}|${facility}|GW|GW|2026||ADT^A01|1|${more.processing ?? 'P'}|2.5\r`;
  const rules = { ...RULES, ...more.rules };
  const header = ackHeader(Buffer.from(head));
  const chosen =
    more.kept === undefined ? chooseSource(rules, header, more.client) : chooseKeptSource(rules, header, more.kept);
  const { profile: read, refused, quarantine } = chosen;
  if (refused === undefined) return read.name;
  return `${quarantine === true ? 'quarantine' : 'refused'} ${refused.code} ${refused.expression}`;
}

describe('the source of a message', () => {
  it('of the settings takes the processing ids that they name', () => {
    const fallback = builtInSource(profile({ name: 'default' }), ['P']);
    const rules = { fallback, unknown: 'default' } as const;
    expect(choose('X', 'Y', { rules })).toBe('default');
    expect(choose('X', 'Y', { rules, processing: '' })).toBe('default');
    for (const processing of ['T', 'D', 'T^A'])
      expect(choose('X', 'Y', { rules, processing })).toBe('refused unsupported-processing-id MSH-11');
    expect(choose('X', 'Y', { rules: { unknown: 'default' }, processing: 'T' })).toBe('default');
  });

  it('is found by MSH-3 and MSH-4: namespace or universal id, the most exact pattern first', () => {
    expect(choose('LAB', 'STM')).toBe('lab');
    expect(choose('LAB^1.2.3^ISO', 'X^STM^L')).toBe('lab');
    expect(choose('LAB', 'STX')).toBe('wide');
    expect(choose('ENGINE7', 'X^1.2.9^ISO')).toBe('engine');
    expect(choose('LABOR', 'STM')).toBe('wide');
  });

  it('may only speak for its facilities and in its processing ids', () => {
    expect(choose('ENGINE', 'NORTH')).toBe('refused forbidden MSH-4');
    expect(choose('LAB', 'STM', { processing: 'T^T' })).toBe('lab');
    expect(choose('LAB', 'STM', { processing: 'D' })).toBe('refused unsupported-processing-id MSH-11');
    expect(choose('', 'STX', { processing: '' })).toBe('wide');
  });

  it('that nobody knows is refused, quarantined, or the default one', () => {
    expect(choose('NOBODY', 'NOWHERE')).toBe('refused forbidden MSH-3');
    expect(choose('NOBODY', 'NOWHERE', { rules: { unknown: 'quarantine' } })).toBe('quarantine forbidden MSH-3');
    expect(choose('NOBODY', 'NOWHERE', { rules: { unknown: 'default' } })).toBe('default');
    expect(choose('', '', { rules: { unknown: 'default' } })).toBe('default');
  });
});

describe('a certificate that is bound to a source', () => {
  const other = { fingerprint: 'cd'.repeat(32), subject: 'CN=other' };
  const desk = { fingerprint: 'ef'.repeat(32), subject: 'CN=desk' };

  it('lets it send, and nobody else over that connection', () => {
    expect(choose('WARD', 'X', { client: KEY })).toBe('ward');
    expect(choose('LAB', 'STM', { client: KEY })).toBe('refused forbidden MSH-3');
    expect(choose('NOBODY', 'X', { client: KEY, rules: { unknown: 'default' } })).toBe('refused forbidden MSH-3');
  });

  it('is needed by that source, whatever happens to unknown ones', () => {
    for (const unknown of ['default', 'quarantine', 'refuse'] as const) {
      expect(choose('WARD', 'X', { rules: { unknown } })).toBe('refused forbidden MSH-3');
      expect(choose('WARD', 'X', { client: other, rules: { unknown, unboundClients: true } })).toBe(
        'refused forbidden MSH-3',
      );
    }
  });

  it('names the source alone where it has no sender', () => {
    expect(choose('ANY', 'THING', { client: desk })).toBe('desk');
    expect(choose('LAB', 'STM', { client: desk })).toBe('desk');
  });

  it('that no source names sends nothing, unless the setting lets it send for sources without one', () => {
    expect(choose('LAB', 'STM', { client: other })).toBe('refused forbidden MSH-3');
    expect(choose('LAB', 'STM', { client: other, rules: { unboundClients: true } })).toBe('lab');
  });

  it('is not asked for again when a kept message is tried once more', () => {
    expect(choose('WARD', 'X', { kept: 'ward' })).toBe('ward');
    expect(choose('ANY', 'THING', { kept: 'desk' })).toBe('desk');
    // It came from nobody who was known then.
    expect(choose('LAB', 'STM', { kept: 'default' })).toBe('lab');
    expect(choose('NOBODY', 'X', { kept: 'default' })).toBe('refused forbidden MSH-3');
    expect(choose('NOBODY', 'X', { kept: 'gone', rules: { unknown: 'default' } })).toBe('default');
  });

  it('property: a source that names certificates takes nothing over a connection without one of them', () => {
    const text = fc.constantFrom('A', 'AB', 'A*', '*', 'B');
    const certificates = ['a', 'b'].map((name) => ({ fingerprint: name.repeat(64), subject: `CN=${name}` }));
    const sourceOf = fc.record({
      match: fc.array(fc.record({ application: text, facility: text }), { maxLength: 2 }),
      clients: fc.subarray(certificates.map(({ fingerprint }) => ({ fingerprint }))),
    });
    fc.assert(
      fc.property(
        fc.array(sourceOf, { maxLength: 4 }),
        fc.constantFrom('A', 'AB', 'B', 'C'),
        fc.constantFrom('A', 'B', ''),
        fc.constantFrom(undefined, ...certificates, other),
        fc.constantFrom('default', 'quarantine', 'refuse'),
        fc.boolean(),
        (jsons, application, facility, client, unknown, unboundClients) => {
          const definitions = jsons.map((json, i) => source(`s${i}`, json));
          const rules = { ...RULES, definitions, unknown, unboundClients } as SourceRules;
          const head = `MSH|^~\\&|${application}|${facility}|GW|GW|2026||ADT^A01|1|P|2.5\r`;
          const chosen = chooseSource(rules, ackHeader(Buffer.from(head)), client);
          const taker = definitions.find(({ profile: one }) => one.name === chosen.profile.name);
          if (chosen.refused !== undefined || taker === undefined || taker.clients.length === 0) return;
          expect(taker.clients).toContainEqual({ fingerprint: client?.fingerprint });
        },
      ),
      { numRuns: 2000 },
    );
  });
});
