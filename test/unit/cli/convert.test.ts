import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { convert } from '../../../src/cli/convert.ts';
import { validateResource } from '../../../src/formats/fhir/validate.ts';
import { adt, hl7, oru, segment } from '../../support/hl7v2.ts';

const folder = mkdtempSync(join(tmpdir(), 'anamnesis-convert-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const PID = 'PID|1||123^^^HOSP^MR||Doe^Jane||19800704|F';
const PV1 = segment('PV1', { 2: 'I', 19: 'V1^^^HOSP^VN' });

interface Run {
  readonly code: number;
  readonly bundles: any[];
  readonly errors: string[];
}
async function run(text: string, ...options: string[]): Promise<Run> {
  const path = join(folder, `${readdirSync(folder).length}.hl7`);
  writeFileSync(path, text);
  const lines: string[] = [];
  const errors: string[] = [];
  const context = {
    env: {},
    cwd: folder,
    out: (line: string) => lines.push(line),
    err: (line: string) => errors.push(line),
  };
  const code = await convert([...options, path], context);
  return { code, bundles: lines.map((line) => JSON.parse(line)), errors };
}

describe('anamnesis convert', () => {
  it('of a folder without messages says so', async () => {
    const empty = mkdtempSync(join(folder, 'empty-'));
    const context = { env: {}, cwd: folder, out: () => {}, err: () => {} };
    await expect(convert([empty], context)).rejects.toThrow(/no file in there is called .hl7/);
  });

  it('prints a transaction Bundle that R4 takes, without a gateway, and the same each time', async () => {
    const text = adt('A01', [PID, PV1, 'DG1|1||I21.0^Infarction^I10|||A', 'NK1|1|Doe^John|SPO']);
    const first = await run(text);
    expect(first).toMatchObject({ code: 0, errors: [] });
    const [bundle] = first.bundles;
    expect(validateResource(bundle).filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(bundle).toMatchObject({ resourceType: 'Bundle', type: 'transaction' });
    const urls = bundle.entry.map(({ fullUrl }: any) => fullUrl);
    expect(new Set(urls).size).toBe(urls.length);
    for (const [, reference] of JSON.stringify(bundle).matchAll(/"reference":"([^"]+)"/g))
      expect(urls).toContain(reference);
    expect(bundle.entry[0].request).toMatchObject({ method: 'POST', url: 'Patient' });
    expect(bundle.entry[0].request.ifNoneExist).toMatch(/^identifier=[^|]+\|123$/);
    expect((await run(text)).bundles).toEqual(first.bundles);
    expect((await run(text, '--source', 'other')).bundles).not.toEqual(first.bundles);
  });

  it('shows the labels that would choose the lockboxes: said by the sender, and by the codes', async () => {
    const { bundles } = await run(adt('A01', [PID, PV1, 'DG1|1||B20^HIV disease^I10C', 'ARV|1|A|PSY']));
    const codes = (type: string): unknown =>
      bundles[0].entry
        .find(({ resource }: any) => resource.resourceType === type)
        .resource.meta?.security?.map(({ code }: any) => code);
    expect(codes('Condition')).toEqual(['PSY', 'HIV']);
    expect(codes('Patient')).toBeUndefined();
  });

  it('takes batches, one line a message; keeps digits', async () => {
    const { bundles, code } = await run(
      [oru({ obx: ['OBX|1|NM|1^A^L||1.50|mg/L|||||F'] }), oru({ controlId: 'C2', obx: [] })].join(''),
    );
    expect(code).toBe(0);
    expect(bundles).toHaveLength(2);
  });

  it('--report says what was not mapped and why, without what it says of the patient', async () => {
    const { errors, code } = await run(adt('A01', [PID, PV1, 'DG1|1', 'ACC|1|Secret', 'ACC|2']), '--report');
    expect(code).toBe(0);
    expect(JSON.parse(errors[0])).toMatchObject({
      message: 'ADT^A01',
      resources: { Patient: 1, Encounter: 1 },
      notMapped: [
        { location: 'ACC', reason: 'segment-not-mapped', count: 2 },
        { location: 'DG1[1]-3', reason: 'no-code' },
      ],
    });
    expect(errors.join('')).not.toMatch(/Doe|Secret|1980/);
  });

  it('links the patients of a merge as the gateway would', async () => {
    const { bundles } = await run(hl7('ADT^A40', [PID, 'MRG|124^^^HOSP^MR']));
    const [survivor, merged] = bundles[0].entry;
    expect(survivor.resource.link).toEqual([{ other: { reference: merged.fullUrl }, type: 'replaces' }]);
    expect(merged.resource).toMatchObject({
      active: false,
      link: [{ other: { reference: survivor.fullUrl }, type: 'replaced-by' }],
    });
    for (const { resource } of bundles[0].entry)
      expect(validateResource(resource).filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  it('names what the gateway would refuse or keep in quarantine, and ends with an error', async () => {
    const old = adt('A28', [PID]).replace('|2.5.1', '|9.9');
    const unknown =
      hl7('SIU^S15', ['SCH|P1|F1']) + hl7('VXU^V04', [PID, 'ORC|RE||V1^CLINIC', 'RXA|0|1|20260301||||||||||||||||||D']);
    const { errors, code, bundles } = await run(hl7('ADT^A19', [PID]) + adt('A02', [PID]) + old + unknown, '--report');
    expect(code).toBe(1);
    expect(bundles).toEqual([]);
    expect(errors.map((line) => JSON.parse(line))).toMatchObject([
      { quarantined: [{ code: 'unsupported-event', location: 'MSH-9.2' }] },
      { quarantined: [{ code: 'required-missing', location: 'PV1' }] },
      { refused: [{ code: 'unsupported-version', location: 'MSH-12' }] },
      { quarantined: [{ code: 'required-missing', location: 'PID' }] },
      { quarantined: [{ code: 'required-missing', location: 'RXA-5' }] },
    ]);
    expect((await run('nothing')).code).toBe(1);
    const context = { env: {}, cwd: folder, out: () => {}, err: () => {} };
    await expect(convert([], context)).rejects.toThrow(/which files/);
  });
});
