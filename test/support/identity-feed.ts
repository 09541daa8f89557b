/** A hospital's ADT and result feed about made-up patients, into a gateway with FHIR: for tests of merges, moves and numbers. */
import { parseAck } from '../../src/formats/hl7v2/ack.ts';
import type { SourceProfile } from '../../src/normalize/hl7v2/source-profile.ts';
import { acceptHl7v2 } from '../../src/services/accept-hl7v2.ts';
import { systemRandom } from '../../src/core/random.ts';
import { movingDocuments } from '../../src/services/move-documents.ts';
import { onlySource } from '../../src/services/sources.ts';
import type { Client, FhirGateway } from './fhir-gateway.ts';
import { profile } from './hl7v2.ts';
import { serviceDeps } from './hl7v2-writer.ts';

export const pid = (mrn: string, account = ''): string =>
  `PID|1||${mrn}^^^HOSP^MR||Doe^Jane||19800704|F||||||||||${account}`;
export const mrg = (mrn: string): string => `MRG|${mrn}^^^HOSP^MR`;
export const pv1 = (visit: string): string => `PV1|1|O|||||||||||||||||${visit}^^^HOSP^VN`;

export interface Feed {
  /** Sends a message, a second after the one before (or `at` seconds after the first); the acknowledgement code. */
  send(
    type: string,
    segments: readonly string[],
    options?: { readonly at?: number; readonly source?: SourceProfile },
  ): Promise<string>;
  register(mrn: string): Promise<string>;
  result(mrn: string, filler: string, value: number, visit?: string): Promise<string>;
  /** The Patient of a number. */
  patient(mrn: string): Promise<any>;
  /** Values of the Observations that a search finds, ascending. */
  values(query: string, client?: Client): Promise<number[]>;
  /** Codes of what stands in quarantine, oldest first. */
  quarantined(): Promise<readonly string[]>;
}

export function identityFeed(gateway: FhirGateway): Feed {
  let clock = 0;
  const { practitioner, writer } = gateway;
  const send: Feed['send'] = async (type, segments, options = {}) => {
    clock += 1;
    const at = new Date(Date.parse('2026-03-01T12:00:00Z') + (options.at ?? clock) * 1000);
    const msh7 = `${at.toISOString().replaceAll(/\D/g, '').slice(0, 14)}+0000`;
    const text = [`MSH|^~\\&|ADT|HOSP|GW|HOSP|${msh7}||${type}|M${clock}|P|2.5.1`, ...segments, ''].join('\r');
    const blobs = { blobs: gateway.blobs, random: systemRandom, isBlobNamed: async () => true };
    const deps = {
      ...serviceDeps(movingDocuments(blobs, writer.writer)),
      sources: onlySource(options.source ?? profile()),
    };
    const [answer] = await acceptHl7v2(deps, Buffer.from(text));
    return (answer && parseAck(answer)?.code) ?? '';
  };
  return {
    send,
    register: (mrn) => send('ADT^A04', [pid(mrn), pv1(`V${mrn}`)]),
    result: (mrn, filler, value, visit) =>
      send('ORU^R01', [
        pid(mrn),
        ...(visit === undefined ? [] : [pv1(visit)]),
        `OBR|1||${filler}^LAB|718-7^Hb^LN|||20260301`,
        `OBX|1|NM|718-7^Hb^LN||${value}|g/dL|||||F`,
      ]),
    async patient(mrn) {
      const query = `/Patient?identifier=https://hospital.example/ids/HOSP|${mrn}`;
      return (await practitioner('GET', query)).body.entry?.[0]?.resource;
    },
    async values(query, client = practitioner) {
      const { body } = await client('GET', `/Observation?${query}`);
      return (body.entry ?? [])
        .map(({ resource }: any) => resource.valueQuantity.value)
        .toSorted((a: number, b: number) => a - b);
    },
    async quarantined() {
      const { rows } = await writer.pool.query<{ reason: string }>('select reason from quarantine order by leaf');
      return rows.map(({ reason }) => reason);
    },
  };
}
