/**
 * The Consents of patients as rules, current versions only; of a person who is known as several patients those of all charts. Kept by the leaf of the last message that changed one of the
 * patient's Consents, which is read anew for every decision: nothing stale is used, whichever process wrote the change, and
 * a decision costs no search as long as nothing changed.
 */
import { parseConsent } from '../consent/parse-consent.ts';
import type { ConsentRule } from '../consent/model.ts';
import { systemPermit } from '../consent/permit.ts';
import { GatewayError } from '../core/errors.ts';
import { groupBy } from '../core/group-by.ts';
import type { LeafIndex, ResourceKey } from '../core/ids.ts';
import { Lru } from '../core/lru.ts';
import { isTombstone } from '../formats/fhir/resource.ts';
import { resourceKey, searchToken, type IndexSecret } from '../keys/index-secret.ts';
import { openCandidates, openLines } from '../record/open.ts';
import { typeToken } from '../search/tokens.ts';
import type { Keyring } from '../write/keyring.ts';
import type { Candidate, Chart, RecordStore } from './record-store.ts';

const KEPT = 20_000;
const SCAN = 200;

/** A person, by all charts that are linked by merges. */
export interface Person {
  readonly charts: readonly ResourceKey[];
  /** Of every chart: a denial in one of them is one. */
  readonly rules: readonly ConsentRule[];
}

export interface PatientConsents {
  /** The person behind every patient asked. Nothing of it is kept that could be stale: links and changes are read each time. */
  of(patients: readonly ResourceKey[]): Promise<ReadonlyMap<ResourceKey, Person>>;
}

interface Kept {
  readonly leaf: LeafIndex;
  readonly rules: readonly ConsentRule[];
}

interface Deps {
  readonly records: RecordStore;
  readonly keyring: Keyring;
}

const NONE: readonly ConsentRule[] = [];

export function patientConsents(deps: Deps): PatientConsents {
  const cache = new Lru<ResourceKey, Kept>(KEPT);
  return {
    async of(patients) {
      const people = await deps.records.charts(patients);
      const charts = new Map([...people.values()].flat().map((chart) => [chart.patient, chart]));
      const rules = await rulesOf(deps, cache, [...charts.values()]);
      return new Map(
        [...people].map(([patient, theirs]) => [
          patient,
          {
            charts: theirs.map((chart) => chart.patient),
            rules:
              theirs.length === 1
                ? (rules.get(patient) ?? NONE)
                : theirs.flatMap((chart) => rules.get(chart.patient) ?? NONE),
          },
        ]),
      );
    },
  };
}

/** Rules of each chart; an empty list for one without Consents. */
async function rulesOf(
  deps: Deps,
  cache: Lru<ResourceKey, Kept>,
  charts: readonly Chart[],
): Promise<ReadonlyMap<ResourceKey, readonly ConsentRule[]>> {
  const found = new Map<ResourceKey, readonly ConsentRule[]>();
  const stale: { patient: ResourceKey; leaf: LeafIndex }[] = [];
  for (const { patient, consentLeaf: leaf } of charts) {
    const kept = cache.get(patient);
    if (leaf === undefined) found.set(patient, NONE);
    else if (kept?.leaf === leaf) found.set(patient, kept.rules);
    else stale.push({ patient, leaf });
  }
  if (stale.length === 0) return found;
  const secrets = await deps.keyring.patientSecrets(stale.map(({ patient }) => patient));
  await Promise.all(
    stale.map(async ({ patient, leaf }) => {
      const secret = secrets.get(patient);
      if (secret === undefined) throw new GatewayError('integrity', 'a patient with Consents has no index secret');
      const rules = await loadRules(deps, patient, secret);
      // Read after the leaf: it holds at least what that leaf brought.
      cache.set(patient, { leaf, rules });
      found.set(patient, rules);
    }),
  );
  return found;
}

async function loadRules(deps: Deps, patient: ResourceKey, secret: IndexSecret): Promise<readonly ConsentRule[]> {
  const size = await deps.records.size();
  const lists = [[searchToken(secret, typeToken('Consent'))]];
  const keys = new Set<ResourceKey>();
  let after: { readonly sortTime: number; readonly group: Candidate['group'] } | undefined;
  for (;;) {
    const scan = { lists, size, limit: SCAN, ...(after === undefined ? {} : { after }) };
    const candidates = await deps.records.scan(scan);
    const boxes = await deps.keyring.byLeaf(candidates.map(({ lockbox }) => lockbox));
    for (const candidate of candidates) {
      const lockbox = boxes.get(candidate.lockbox);
      if (lockbox === undefined || lockbox.patient !== patient) continue;
      for (const opened of openCandidates(systemPermit('consent'), lockbox, candidate.body, linesOf(candidate.mask))) {
        if (opened?.resourceType === 'Consent') {
          keys.add(resourceKey(deps.keyring.gatewaySecret, opened.resourceType, opened.id));
        }
      }
    }
    after = candidates.at(-1);
    if (candidates.length < SCAN || after === undefined) break;
  }
  return currentRules(deps, [...keys]);
}

/** Current versions, opened and parsed; deleted ones are left out. */
async function currentRules(deps: Deps, keys: readonly ResourceKey[]): Promise<readonly ConsentRule[]> {
  const current = [...(await deps.records.current(keys)).values()];
  const boxes = await deps.keyring.byLeaf(current.map(({ lockbox }) => lockbox));
  const rules: ConsentRule[] = [];
  for (const inGroup of groupBy(current, ({ group }) => group).values()) {
    const lockbox = boxes.get(inGroup[0].lockbox);
    if (lockbox === undefined) continue;
    const opened = openLines(systemPermit('consent'), lockbox, inGroup[0].body, inGroup, deps.keyring.gatewaySecret);
    for (const resource of opened) {
      if (resource !== undefined && !isTombstone(resource)) rules.push(parseConsent(resource));
    }
  }
  return rules;
}

/** Numbers of the lines that a mask names, ascending. */
export function linesOf(mask: bigint): number[] {
  const lines: number[] = [];
  for (let line = 0, rest = mask; rest !== 0n; line += 1, rest >>= 1n) if ((rest & 1n) === 1n) lines.push(line);
  return lines;
}
