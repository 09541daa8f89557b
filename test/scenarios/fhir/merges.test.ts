import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAck } from '../../../src/formats/hl7v2/ack.ts';
import { acceptHl7v2 } from '../../../src/services/accept-hl7v2.ts';
import { onlySource } from '../../../src/services/sources.ts';
import { startFhirGateway, type Client, type FhirGateway } from '../../support/fhir-gateway.ts';
import { serviceDeps } from '../../support/hl7v2-writer.ts';
import { profile } from '../../support/hl7v2.ts';

let gateway: FhirGateway;
let doctor: Client;
let clock = 0;

beforeAll(async () => {
  gateway = await startFhirGateway();
  doctor = gateway.practitioner;
});
afterAll(() => gateway.close());

/** Sends a message `seconds` after the one before; returns the acknowledgement code. */
async function send(type: string, segments: readonly string[], options: { at?: number } = {}): Promise<string> {
  clock += 1;
  const at = new Date(Date.parse('2026-03-01T12:00:00Z') + (options.at ?? clock) * 1000);
  const msh7 = `${at.toISOString().replaceAll(/\D/g, '').slice(0, 14)}+0000`;
  const text = [`MSH|^~\\&|ADT|HOSP|GW|HOSP|${msh7}||${type}|M${clock}|P|2.5.1`, ...segments, ''].join('\r');
  const deps = { ...serviceDeps(gateway.writer.writer), sources: onlySource(profile()) };
  const [answer] = await acceptHl7v2(deps, Buffer.from(text));
  return parseAck(answer)?.code ?? '';
}

const pid = (mrn: string, family = 'Doe'): string => `PID|1||${mrn}^^^HOSP^MR||${family}^Jane||19800704|F`;
const mrg = (mrn: string): string => `MRG|${mrn}^^^HOSP^MR`;
const register = (mrn: string): Promise<string> =>
  send('ADT^A04', [pid(mrn), `PV1|1|O|||||||||||||||||V${mrn}^^^HOSP^VN`]);
const result = (mrn: string, filler: string, value: number): Promise<string> =>
  send('ORU^R01', [
    pid(mrn),
    `OBR|1||${filler}^LAB|718-7^Hb^LN|||20260301`,
    `OBX|1|NM|718-7^Hb^LN||${value}|g/dL|||||F`,
  ]);

const patient = async (mrn: string): Promise<any> => {
  const { body } = await doctor('GET', `/Patient?identifier=https://hospital.example/ids/HOSP|${mrn}`);
  return body.entry?.[0]?.resource;
};
const values = async (query: string, client = doctor): Promise<number[]> => {
  const { body } = await client('GET', `/Observation?${query}`);
  return (body.entry ?? []).map(({ resource }: any) => resource.valueQuantity.value).toSorted();
};

describe('a merge', () => {
  it('links both ways, and reads by either go over both charts', async () => {
    await register('100');
    await register('200');
    await result('100', 'F100', 10);
    await result('200', 'F200', 20);
    expect(await values(`patient=${(await patient('100')).id}`)).toEqual([10]);
    expect(await send('ADT^A40', [pid('100'), mrg('200')])).toBe('AA');

    const [survivor, merged] = [await patient('100'), await patient('200')];
    expect(merged).toMatchObject({
      active: false,
      link: [{ other: { reference: `Patient/${survivor.id}` }, type: 'replaced-by' }],
    });
    expect(survivor.link).toEqual([{ other: { reference: `Patient/${merged.id}` }, type: 'replaces' }]);
    expect(survivor.active).toBeUndefined();
    for (const { id } of [survivor, merged]) {
      expect(await values(`patient=${id}`)).toEqual([10, 20]);
      expect(await values(`subject=Patient/${id}&code=718-7`)).toEqual([10, 20]);
    }
    expect((await doctor('GET', `/Patient/${merged.id}`)).body.link[0].type).toBe('replaced-by');
  });
});
