/** Converts HL7 v2 text in memory: what a record would hold after these messages, without keys, seals and database. */
import type { Change } from '../../src/formats/fhir/change.ts';
import { parseChangeReference } from '../../src/formats/fhir/change.ts';
import { mapReferences } from '../../src/formats/fhir/references.ts';
import { parseFhirJson, stringifyFhirJson } from '../../src/formats/fhir/json.ts';
import { validateResource } from '../../src/formats/fhir/validate.ts';
import type { Resource, StoredResource } from '../../src/formats/fhir/resource.ts';
import { parseHl7v2 } from '../../src/formats/hl7v2/message.ts';
import { normalizeHl7v2, type Normalized } from '../../src/normalize/hl7v2/normalize.ts';
import {
  makeSourceProfile,
  type SourceProfile,
  type SourceProfileSettings,
} from '../../src/normalize/hl7v2/source-profile.ts';
import { applyChange, applyLate, onlyAdds, SAID_NOTHING } from '../../src/write/apply.ts';

export const RECEIVED_AT = Date.parse('2026-06-01T12:00:00Z');

export function profile(settings: Partial<SourceProfileSettings> = {}): SourceProfile {
  return makeSourceProfile({
    name: 'test',
    charset: 'UNICODE UTF-8',
    assigner: 'https://hospital.example/ids',
    ...settings,
  });
}

export function normalize(message: string | Buffer, settings: Partial<SourceProfileSettings> = {}): Normalized {
  const bytes = Buffer.isBuffer(message) ? message : Buffer.from(message);
  const source = profile(settings);
  return normalizeHl7v2(parseHl7v2(bytes, source), source, RECEIVED_AT);
}

interface Entry {
  resource: StoredResource;
  sourceTime: number;
  versions: number;
}

/** A record that messages are applied to, in the order given. */
export class MemoryRecord {
  readonly #aliases = new Map<string, string>();
  readonly #entries = new Map<string, Entry>();

  constructor(...messages: (string | Buffer)[]) {
    for (const message of messages) this.apply(normalize(message).changes);
  }

  take(message: string | Buffer, settings: Partial<SourceProfileSettings> = {}): this {
    this.apply(normalize(message, settings).changes);
    return this;
  }

  apply(changes: readonly Change[]): void {
    const ids = changes.map((change) => this.#identify(change));
    const references = changes.map((change, i) => `${change.type}/${ids[i]}`);
    const link = (reference: string): string => references[parseChangeReference(reference) ?? -1] ?? reference;
    changes.forEach((change, i) => {
      if (change.mode !== 'merge') throw new Error('HL7 v2 makes merges');
      const entry = this.#entries.get(references[i]);
      const linked = {
        ...change,
        set: mapReferences(change.set, link),
        ...(change.append && { append: mapReferences(change.append, link) }),
        ...(change.initial && { initial: mapReferences(change.initial, link) }),
      };
      const adds = onlyAdds(change);
      const sourceTime = adds ? SAID_NOTHING : change.sourceTime;
      const isLate = !adds && entry !== undefined && entry.sourceTime > sourceTime;
      const next = isLate ? applyLate(entry.resource, linked) : applyChange(entry?.resource, linked);
      if (next === undefined) return;
      const resource: StoredResource = {
        ...next,
        id: ids[i],
        meta: { ...next.meta, versionId: '1', lastUpdated: '2026-06-01T12:00:00.000Z' },
      };
      this.#entries.set(references[i], {
        resource,
        sourceTime: Math.max(sourceTime, entry?.sourceTime ?? SAID_NOTHING),
        versions: (entry?.versions ?? 0) + 1,
      });
    });
  }

  #identify(change: Change): string {
    const aliases = change.keys.map((key) => JSON.stringify([change.type, ...key]));
    const id =
      aliases.map((alias) => this.#aliases.get(alias)).find((known) => known !== undefined) ?? `r${this.#aliases.size}`;
    for (const alias of aliases) if (!this.#aliases.has(alias)) this.#aliases.set(alias, id);
    return id;
  }

  all(type?: string): StoredResource[] {
    return [...this.#entries.values()]
      .map(({ resource }) => resource)
      .filter((resource) => type === undefined || resource.resourceType === type);
  }

  /** The only resource of a type. */
  one(type: string): any {
    const found = this.all(type);
    if (found.length !== 1) throw new Error(`${found.length} of type ${type}`);
    return found[0];
  }

  versions(resource: Resource): number {
    return this.#entries.get(`${resource.resourceType}/${resource.id}`)?.versions ?? 0;
  }

  references(): string[] {
    return this.all().flatMap((resource) =>
      [...JSON.stringify(resource).matchAll(/"reference":"([^"]+)"/g)].map((match) => match[1]),
    );
  }

  has(reference: string): boolean {
    return this.#entries.has(reference);
  }
}

export interface OruParts {
  readonly msh7?: string;
  readonly controlId?: string;
  readonly obr22?: string;
  readonly status?: string;
  readonly obx: readonly string[];
}

/** An ORU R01 of one order. */
export function oru(parts: OruParts): string {
  const { msh7 = '20260301120000+0100', controlId = 'C1', obr22 = '', status = 'F', obx } = parts;
  return [
    `MSH|^~\\&|LAB|HOSP|GW|HOSP|${msh7}||ORU^R01^ORU_R01|${controlId}|P|2.5.1`,
    'PID|1||123^^^HOSP^MR||Doe^Jane||19800704|F',
    `OBR|1|P1^EHR|F1^LAB|57021-8^CBC^LN|||20260301093000+0100|||||||||||||||${obr22}||LAB|${status}`,
    ...obx,
    '',
  ].join('\r');
}

/** An ADT message. */
export function adt(event: string, segments: readonly string[], msh7 = '20260301120000+0100'): string {
  return [
    `MSH|^~\\&|ADT|HOSP|GW|HOSP|${msh7}||ADT^${event}|${event}-${msh7}|P|2.5.1`,
    `EVN|${event}|${msh7}`,
    ...segments,
    '',
  ].join('\r');
}

/** A segment by field numbers. */
export function segment(id: string, fields: Readonly<Record<number, string>>): string {
  const last = Math.max(0, ...Object.keys(fields).map(Number));
  return [id, ...Array.from({ length: last }, (_, i) => fields[i + 1] ?? '')].join('|');
}

/** A message of any kind: `type` is MSH-9. */
export function hl7(type: string, segments: readonly string[], msh7 = '20260301120000+0100'): string {
  return [`MSH|^~\\&|APP|HOSP|GW|HOSP|${msh7}||${type}|${type}-${msh7}|P|2.5.1`, ...segments, ''].join('\r');
}

/** Every resource that is no valid R4, and every reference that leads nowhere. */
export function defects(record: MemoryRecord): string[] {
  return [
    ...record.all().flatMap((resource) =>
      validateResource(parseFhirJson(stringifyFhirJson(resource)))
        .filter(({ severity }) => severity === 'error')
        .map((issue) => `${resource.resourceType} ${JSON.stringify(issue)}`),
    ),
    ...record.references().filter((reference) => !reference.startsWith('#') && !record.has(reference)),
  ];
}
