/**
 * The sample day of `anamnesis demo`: each step through the socket that its sender would use, each with what came back. The
 * day ends at the first step that does not come out as it should.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import type { TokenRequest } from '../identity/sign-token.ts';
import { at, fhirClient, matches, textAt, type FhirAnswer, type FhirClient } from './fhir-client.ts';
import { checkReceipt } from './receipt.ts';
import type { GatewayAddresses } from './run-gateway.ts';
import { SAMPLE_CT, sampleCtFile, sampleCtStudy } from './samples/dicom.ts';
import { sampleBundle, sampleRefusal } from './samples/fhir.ts';
import { SAMPLE_STAY } from './samples/hl7v2.ts';
import { sendDicom } from './send-dicom.ts';
import { sendHl7v2 } from './send-hl7v2.ts';

export interface DayDeps {
  readonly addresses: GatewayAddresses;
  readonly config: Config;
  /** Scratch space. */
  readonly folder: string;
  readonly token: (request: TokenRequest) => Promise<string>;
  readonly out: (line: string) => void;
}

/** Ends the day; its message says what was expected. */
class StepFailed extends Error {}

function expectThat(holds: boolean, expected: string): void {
  if (!holds) throw new StepFailed(expected);
}

/** What later steps need of earlier ones. */
interface Day extends DayDeps {
  readonly base: string;
  readonly doctor: FhirClient;
  patient: string;
  leaf: number;
}

interface Step {
  readonly title: string;
  /** Resolves with lines that show what came back. Throws StepFailed. */
  readonly run: (day: Day) => Promise<readonly string[]>;
}

const STEPS: readonly Step[] = [
  { title: 'HL7 v2 over MLLP: a stay, with laboratory results and their correction', run: stay },
  { title: 'DICOM C-STORE: a CT study of the same person', run: images },
  { title: 'FHIR over HTTP: a practitioner finds the patient and adds a bundle', run: bundle },
  { title: 'The same patient, read back by the practitioner', run: readBack },
  { title: 'The receipt of the corrected result, checked as a stranger would', run: receipt },
  { title: 'The patient says no: a Consent', run: refuse },
  { title: 'The same reads by the same practitioner', run: readRefused },
  { title: 'The audit trail of both, as the patient sees it', run: auditTrail },
];

/** Plays the day; true when every step came out as it should. */
export async function playDay(deps: DayDeps): Promise<boolean> {
  const base = `${deps.addresses.http}/fhir`;
  const doctor = fhirClient(base, await deps.token({ role: 'practitioner', subject: 'dr-demo' }));
  const day: Day = { ...deps, base, doctor, patient: '', leaf: -1 };
  for (const [i, { title, run }] of STEPS.entries()) {
    deps.out(`\n[${i + 1}/${STEPS.length}] ${title}`);
    try {
      for (const line of await run(day)) deps.out(`      ${line}`);
    } catch (thrown) {
      if (!(thrown instanceof StepFailed)) throw thrown;
      deps.out(`      FAILED: ${thrown.message}`);
      return false;
    }
  }
  return true;
}

const ANSWER_MS = 30_000;

function addressOf(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}

async function stay({ addresses }: Day): Promise<readonly string[]> {
  const items = SAMPLE_STAY.map(({ name, text }) => ({ path: name, message: Buffer.from(text) }));
  const lines: string[] = [];
  for await (const { path, answer, accepted, problem } of sendHl7v2(
    { ...addressOf(addresses.mllp), timeoutMs: ANSWER_MS },
    items,
  )) {
    expectThat(accepted, `${path} was answered ${answer} ${problem ?? ''}`);
    lines.push(`${answer}  ${path}: acknowledged after it was sealed, signed and anchored`);
  }
  return lines;
}

async function images({ addresses, config, folder }: Day): Promise<readonly string[]> {
  const study = sampleCtStudy(3);
  const paths = study.map((ct, i) => {
    const path = join(folder, `ct-${i + 1}.dcm`);
    writeFileSync(path, sampleCtFile(ct));
    return path;
  });
  const peer = { ...addressOf(addresses.dicom), calledAe: config.aeTitle, callingAe: 'DEMO-CT', timeoutMs: ANSWER_MS };
  const answers: string[] = [];
  for await (const { accepted, answer, problem } of sendDicom(peer, paths)) {
    expectThat(accepted, `C-STORE was answered ${answer} ${problem ?? ''}`);
    answers.push(answer);
  }
  return [`${answers.join(' ')}  ${paths.length} images of one study, each an encrypted blob`];
}

async function bundle(day: Day): Promise<readonly string[]> {
  const query = `identifier=${encodeURIComponent(SAMPLE_CT.patientId)}`;
  const found = matches((await day.doctor.get(`/Patient?${query}`)).body);
  expectThat(found.length === 1, `one Patient for the identifier ${SAMPLE_CT.patientId}, found ${found.length}`);
  day.patient = textAt(found[0], 'id');
  const { status, body } = await day.doctor.post('', sampleBundle(day.patient));
  expectThat(status === 200, `a transaction answered by 200, got ${status}: ${diagnostics(body)}`);
  const entries = at(body, 'entry');
  const made = Array.isArray(entries)
    ? entries.map((entry) => textAt(entry, 'response', 'location').split('/_history')[0])
    : [];
  return [`200  Patient/${day.patient}`, ...made.map((location) => `201  ${location.replace(`${day.base}/`, '')}`)];
}

function diagnostics(body: unknown): string {
  return textAt(body, 'issue', 0, 'diagnostics') || textAt(body, 'issue', 0, 'details', 'text');
}

/** Waits for what a follower writes after the acknowledgement: the ImagingStudy. */
async function imagingStudies({ doctor, patient }: Day): Promise<FhirAnswer> {
  const until = systemClock.now() + ANSWER_MS;
  for (;;) {
    const answer = await doctor.get(`/ImagingStudy?patient=${patient}`);
    if (matches(answer.body).length > 0 || systemClock.now() > until) return answer;
    await delay(100);
  }
}

async function readBack(day: Day): Promise<readonly string[]> {
  const { doctor, patient } = day;
  const person = await doctor.get(`/Patient/${patient}`);
  expectThat(person.status === 200, `Patient answered by 200, got ${person.status}: ${diagnostics(person.body)}`);
  const name = `${textAt(person.body, 'name', 0, 'given', 0)} ${textAt(person.body, 'name', 0, 'family')}`;
  const lines = [`Patient ${name}, born ${textAt(person.body, 'birthDate')}`];
  const potassium = await doctor.get(`/Observation?patient=${patient}&code=http://loinc.org|2823-3`);
  const results = matches(potassium.body);
  expectThat(results.length === 1, `one potassium result, found ${results.length}: ${diagnostics(potassium.body)}`);
  const id = textAt(results[0], 'id');
  const read = await doctor.get(`/Observation/${id}`);
  const history = at((await doctor.get(`/Observation/${id}/_history`)).body, 'entry');
  const versions = Array.isArray(history) ? history.map((entry) => at(entry, 'resource')) : [];
  const shown = versions.map(
    (version) =>
      `${textAt(version, 'valueQuantity', 'value')} ${textAt(version, 'valueQuantity', 'unit')} (${textAt(version, 'status')})`,
  );
  expectThat(versions.length === 2, `two versions of the potassium result, found ${versions.length}`);
  lines.push(`Observation potassium, newest version first: ${shown.join(', before ')}`);
  day.leaf = read.leaf ?? -1;
  const study = matches((await imagingStudies(day)).body);
  expectThat(study.length === 1, `one ImagingStudy, found ${study.length}`);
  lines.push(`ImagingStudy ${textAt(study[0], 'description')}: ${textAt(study[0], 'numberOfInstances')} images`);
  for (const type of [
    'Encounter',
    'DiagnosticReport',
    'Observation',
    'Condition',
    'AllergyIntolerance',
    'ClinicalImpression',
  ]) {
    const answer = await doctor.get(`/${type}?patient=${patient}&_count=100`);
    expectThat(
      answer.status === 200,
      `a search of ${type} answered by 200, got ${answer.status}: ${diagnostics(answer.body)}`,
    );
    lines.push(`${type}: ${matches(answer.body).length}`);
  }
  return lines;
}

async function receipt({ addresses, leaf }: Day): Promise<readonly string[]> {
  expectThat(leaf >= 0, 'a leaf named with the record');
  const { valid, size, hashes, origin } = await checkReceipt(addresses.http, leaf);
  expectThat(valid, 'a receipt that holds');
  return [`leaf ${leaf} of ${size} in the log ${origin}: ${hashes} hashes lead to the signed root`];
}

async function asPatient({ base, token, patient }: Day): Promise<FhirClient> {
  return fhirClient(base, await token({ role: 'patient', subject: 'berta', patient }));
}

async function refuse(day: Day): Promise<readonly string[]> {
  const consent = sampleRefusal(day.patient, new Date(systemClock.now()).toISOString());
  const { status, body } = await (await asPatient(day)).post('/Consent', consent);
  expectThat(status === 201, `a Consent answered by 201, got ${status}: ${diagnostics(body)}`);
  return ['201  Consent: deny, everybody, everything'];
}

async function readRefused({ doctor, patient }: Day): Promise<readonly string[]> {
  const person = await doctor.get(`/Patient/${patient}`);
  expectThat(person.status === 403 || person.status === 404, `a refusal, got ${person.status}`);
  const results = await doctor.get(`/Observation?patient=${patient}`);
  const seen = results.status === 200 ? matches(results.body).length : 0;
  expectThat(seen === 0, `no Observation, found ${seen}`);
  return [
    `${person.status}  Patient: ${diagnostics(person.body)}`,
    `${results.status}  Observation?patient=...: ${seen} found`,
  ];
}

async function auditTrail(day: Day): Promise<readonly string[]> {
  const { status, body } = await (await asPatient(day)).get(`/AuditEvent?patient=${day.patient}&_count=200`);
  const events = matches(body);
  expectThat(status === 200 && events.length > 0, `AuditEvents, got ${status}: ${diagnostics(body)}`);
  const refusals = events.filter((event) => !['', '0'].includes(textAt(event, 'outcome')));
  expectThat(refusals.length > 0, 'the refusal among the AuditEvents');
  const lines = [...events.slice(0, 4), ...(events.length > 4 ? events.slice(-2) : [])].map(describeEvent);
  return [
    `${events.length} accesses, ${refusals.length} of them refused, each anchored before its answer; some of them:`,
    ...lines,
  ];
}

function describeEvent(event: unknown): string {
  const agents = at(event, 'agent');
  const asker = Array.isArray(agents) ? agents.find((agent) => at(agent, 'requestor') === true) : undefined;
  const who = textAt(asker, 'who', 'identifier', 'value') || textAt(asker, 'who', 'reference') || 'unknown';
  const what = textAt(event, 'subtype', 0, 'code') || textAt(event, 'type', 'code');
  const outcome = ['', '0'].includes(textAt(event, 'outcome')) ? 'permitted' : 'refused';
  return `${textAt(event, 'recorded')}  ${who}  ${what}  ${outcome}`;
}
