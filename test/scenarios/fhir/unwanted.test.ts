/** A search that nobody waits for any more, after its deadline or without its client, ends: it does not go on through a large record. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startFhirGateway, type FhirGateway } from '../../support/fhir-gateway.ts';
import { observationOf, patientOf } from '../../support/fhir-samples.ts';

const RECORDS = 6_000;
/** Rows of the index are read a hundred at a time; each record has a time, and so a row, of its own. */
const BATCHES = RECORDS / 100;
let gateway: FhirGateway;
let search: string;
beforeAll(async () => {
  gateway = await startFhirGateway();
  const { id } = (await gateway.practitioner('POST', '/Patient', patientOf('unwanted'))).body;
  for (let from = 0; from < RECORDS; from += 1_000) {
    const entry = Array.from({ length: 1_000 }, (_, i) => ({
      request: { method: 'POST', url: 'Observation' },
      resource: observationOf(id, '718-7', new Date(Date.UTC(2024, 0) + (from + i) * 60_000).toISOString()),
    }));
    const { status } = await gateway.practitioner('POST', '/', { resourceType: 'Bundle', type: 'transaction', entry });
    expect(status).toBe(200);
  }
  search = `/Observation?patient=${id}&_count=1&_total=accurate`;
}, 120_000);
afterAll(() => gateway.close());

/** Queries that the gateway has made of its database when it makes no more. */
async function untilQuiet(spy: { readonly mock: { readonly calls: readonly unknown[] } }): Promise<number> {
  let before = -1;
  await expect
    .poll(
      () => {
        const quiet = spy.mock.calls.length === before;
        before = spy.mock.calls.length;
        return quiet;
      },
      { timeout: 60_000, interval: 300 },
    )
    .toBe(true);
  return before;
}

it('ends when its client has gone', { timeout: 120_000 }, async () => {
  const spy = vi.spyOn(gateway.writer.pool, 'query');
  expect((await gateway.practitioner('GET', search)).body.total).toBe(RECORDS);
  const whole = await untilQuiet(spy);
  expect(whole).toBeGreaterThan(BATCHES);
  spy.mockClear();
  const gone = new AbortController();
  const headers = { authorization: `Bearer ${await gateway.token({ role: 'practitioner' })}` };
  const asked = fetch(`${gateway.base}${search}`, { headers, signal: gone.signal });
  await expect.poll(() => spy.mock.calls.length, { timeout: 30_000, interval: 1 }).toBeGreaterThan(5);
  gone.abort();
  await expect(asked).rejects.toThrow();
  expect(await untilQuiet(spy)).toBeLessThan(whole / 2);
  spy.mockRestore();
});
