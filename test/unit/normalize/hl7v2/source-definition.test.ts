import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSourceDefinition, SOURCE_MEMBERS } from '../../../../src/normalize/hl7v2/source-definition.ts';
import { normalizeHl7v2 } from '../../../../src/normalize/hl7v2/normalize.ts';
import { parseHl7v2 } from '../../../../src/formats/hl7v2/message.ts';
import { convertHl7v2 } from '../../../../src/services/convert-hl7v2.ts';
import type { GatewayError } from '../../../../src/core/errors.ts';
import type { SourceProfile } from '../../../../src/normalize/hl7v2/source-profile.ts';
import { adt, normalize, oru, RECEIVED_AT } from '../../../support/hl7v2.ts';

const FULL = {
  description: 'the laboratory',
  match: [{ application: 'LAB*', facility: 'STM' }, { facility: '1.2.3' }],
  facilities: ['STM'],
  clients: [{ fingerprint: 'AA:'.repeat(31) + 'bb' }, { subject: 'O=St Mary,CN=lab' }],
  timeZone: 'Europe/Berlin',
  charset: '8859/1',
  charsets: { ASCII: '8859/1' },
  assigner: 'https://stmary.example/mrn',
  namespaces: { HOSP: 'urn:oid:2.999.1' },
  assigners: ['urn:oid:2.999.1', 'urn:oid:2.999.2'],
  primaryAssigner: 'urn:oid:2.999.2',
  codeSystems: { '99LAB': 'https://stmary.example/codes' },
  codes: { L: { GLU: { system: 'http://loinc.org', code: '2345-7', display: 'Glucose' } }, '': { X: [] } },
  acknowledgement: { accept: 'AL', application: 'NE' },
  processingIds: ['P', 'T'],
};

function profileOf(json: object): SourceProfile {
  const parsed = parseSourceDefinition('lab', { assigner: 'urn:x:y', ...json }, 3);
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults));
  return parsed.definition.profile;
}

describe('a source as an administrator writes it', () => {
  it('is read whole', () => {
    const parsed = parseSourceDefinition('lab', FULL, 3);
    expect(parsed).toMatchObject({
      definition: {
        profile: { name: 'lab', version: 3, zone: 'Europe/Berlin', charset: 'windows-1252' },
        match: FULL.match,
        facilities: ['STM'],
        clients: [{ fingerprint: 'aa'.repeat(31) + 'bb' }, { subject: 'O=St Mary,CN=lab' }],
        acknowledgement: { accept: 'AL', application: 'NE' },
        processingIds: ['P', 'T'],
      },
    });
  });

  it('of an assigner alone has the rest by default', () => {
    expect(parseSourceDefinition('x', { assigner: 'urn:x:y' }, 1)).toMatchObject({
      definition: {
        match: [],
        clients: [],
        facilities: undefined,
        acknowledgement: 'original',
        processingIds: ['P'],
        profile: { charset: 'utf-8', assigners: undefined },
      },
    });
  });

  it('has all its faults told at once, each with its place', () => {
    const parsed = parseSourceDefinition(
      'a b',
      {
        match: [{}, { application: 3 }],
        clients: [{ fingerprint: 'zz' }, {}],
        timeZone: 'Mars/Olympus',
        charset: 'EBCDIC',
        charsets: { ANSI: 'EBCDIC', IBM: 8859 },
        assigners: ['x'],
        primaryAssigner: 'urn:oid:2.999.9',
        codes: { L: { GLU: { system: 'loinc', code: ' ' } } },
        acknowledgement: { accept: 'YES', application: 'AL' },
        processingIds: ['X'],
        colour: 'blue',
      },
      1,
    );
    const places = 'faults' in parsed ? parsed.faults.map(({ place }) => place) : [];
    expect(places.toSorted()).toEqual(
      [
        'acknowledgement',
        'assigner',
        'assigners[0]',
        'charset',
        'charsets.ANSI',
        'charsets.IBM',
        'clients[0].fingerprint',
        'clients[1]',
        'codes.L.GLU.code',
        'codes.L.GLU.system',
        'colour',
        'match[0]',
        'match[1].application',
        'name',
        'primaryAssigner',
        'processingIds[0]',
        'timeZone',
      ].toSorted(),
    );
  });

  it('is in the documentation: an example that is read, and every member', () => {
    const text = readFileSync('docs/sources.md', 'utf8');
    const example = JSON.parse(/```json\n([\s\S]*?)```/.exec(text)?.[1] ?? '');
    expect(parseSourceDefinition('lab', example, 1)).toHaveProperty('definition');
    const members = [...text.matchAll(/^\| `(\w+)` /gm)].map(([, name]) => name);
    expect(members.toSorted()).toEqual([...SOURCE_MEMBERS].toSorted());
  });

  it('says what the source means in MSH-18', () => {
    const { charsets } = profileOf({ charsets: { ASCII: '8859/1', constructor: 'GB2312' } });
    expect(charsets).toEqual({ ASCII: 'windows-1252', constructor: 'gbk' });
    const named = (msh18: string, settings: object): string => {
      const head = `MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5||||||${msh18}\rPID|1||1||`;
      const bytes = Buffer.concat([Buffer.from(head), Buffer.from([0xe4]), Buffer.from('\r')]);
      return parseHl7v2(bytes, profileOf(settings)).segments[1].field(5);
    };
    expect(named('ASCII', { charsets: { ASCII: '8859/1' } })).toBe('ä');
    expect(named('~ANSI', { charsets: { ANSI: '8859/5' } })).toBe('ф');
    for (const msh18 of ['ASCII', 'ANSI', ''])
      expect(() => named(msh18, { charsets: { OTHER: '8859/1' } })).toThrow(
        expect.objectContaining({ code: 'invalid-charset' }),
      );
  });

  it('names of every kind are names', () => {
    const codes = JSON.parse('{"__proto__": {"constructor": {"system": "urn:x:y", "code": "1"}}}');
    const profile = profileOf({ codes });
    expect(Object.hasOwn(profile.codes, '__proto__')).toBe(true);
    expect(({} as any).constructor).toBe(Object);
    const message = oru({ obx: ['OBX|1|NM|constructor^x^__proto__||1||||||F', 'OBX|2|NM|toString^x^L||1||||||F'] });
    const changes = normalizeHl7v2(parseHl7v2(Buffer.from(message), profile), profile, RECEIVED_AT).changes;
    const codings = changes.flatMap(({ type, ...change }: any) =>
      type === 'Observation' ? [change.set.code.coding.map(({ code }: any) => code)] : [],
    );
    expect(codings).toEqual([['constructor', '1'], ['toString']]);
  });

  it('property: any JSON is read or refused, never thrown at', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(FULL)), (value, member) => {
        for (const json of [value, { assigner: 'urn:x:y', [member]: value }]) {
          const parsed = parseSourceDefinition('lab', json, 1);
          expect('definition' in parsed || parsed.faults.length > 0).toBe(true);
        }
      }),
    );
  });
});

describe('what a source says of its codes and numbers', () => {
  const changesOf = (message: string, profile: SourceProfile): readonly unknown[] =>
    normalizeHl7v2(parseHl7v2(Buffer.from(message), profile), profile, RECEIVED_AT).changes;

  it('a local code that means a sensitive one makes its record sensitive', () => {
    const message = Buffer.from(oru({ obx: ['OBX|1|CWE|S17^Serology 17^L||N^negative^L||||||F'] }));
    const security = (profile: SourceProfile): string =>
      JSON.stringify(
        (convertHl7v2(message, profile, RECEIVED_AT).bundle.entry as any[])
          .filter(({ resource }) => resource.resourceType === 'Observation')
          .map(({ resource }) => resource.meta?.security ?? []),
      );
    expect(security(profileOf({}))).toBe('[[]]');
    const codes = { L: { S17: { system: 'http://loinc.org', code: '5221-7' } } };
    expect(security(profileOf({ codes }))).toContain('"code":"HIV"');
  });

  it('a mapped local code gets the standard one behind it, and the record keeps its key', () => {
    const message = oru({ obx: ['OBX|1|NM|GLU^Glucose^L||1||||||F'] });
    const codes = { L: { GLU: { system: 'http://loinc.org', code: '2345-7' } } };
    const plain = changesOf(message, profileOf({}));
    const mapped = changesOf(message, profileOf({ codes }));
    const observation = (changes: readonly any[]): any => changes.find(({ type }) => type === 'Observation');
    expect(observation(mapped).set.code.coding.map(({ code }: any) => code)).toEqual(['GLU', '2345-7']);
    expect(observation(mapped).keys).toEqual(observation(plain).keys);
    expect(observation(plain).set.code.coding).toHaveLength(1);
  });

  const PID = 'PID|1||1^^^A^MR~2^^^B^MR~3^^^C^PI||Doe^Jane||19800704|F';
  const namespaces = { A: 'urn:oid:2.999.1', B: 'urn:oid:2.999.2', C: 'urn:oid:2.999.3' };

  it('the primary assigner decides whose message it is', () => {
    const profile = profileOf({ namespaces, primaryAssigner: 'urn:oid:2.999.3' });
    expect(changesOf(adt('A08', [PID, 'PV1|1|O']), profile)[0]).toMatchObject({
      keys: [
        ['identifier', 'urn:oid:2.999.3', '3'],
        ['identifier', 'urn:oid:2.999.1', '1'],
        ['identifier', 'urn:oid:2.999.2', '2'],
      ],
    });
  });

  it('a number of an assigner that the source may not write for is kept, and says nothing of whose record it is', () => {
    const profile = profileOf({ namespaces, assigners: ['urn:oid:2.999.2'] });
    const [patient] = changesOf(adt('A08', [PID, 'PV1|1|O']), profile) as any[];
    expect(patient.keys).toEqual([['identifier', 'urn:oid:2.999.2', '2']]);
    expect(patient.append.identifier).toHaveLength(3);
  });

  it('a message whose numbers are all of others is refused by a rule', () => {
    const profile = profileOf({ namespaces, assigners: ['urn:oid:2.999.9'] });
    const fault = (): GatewayError | undefined => {
      try {
        changesOf(adt('A08', [PID, 'PV1|1|O']), profile);
      } catch (thrown) {
        return thrown as GatewayError;
      }
      return undefined;
    };
    expect(fault()).toMatchObject({ code: 'business-rule', expression: 'PID-3.4' });
    expect(normalize(adt('A08', [PID, 'PV1|1|O'])).changes.length).toBeGreaterThan(0);
  });
});
