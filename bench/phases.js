// The phases of a subject's measurement. The same for the product and the baseline: both take the same messages and answer
// the same FHIR requests.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ask } from './subject.js';
import { watchUsage } from './usage.js';

/** Patients whose records are read and searched; one in CONSENT_EVERY has a Consent of their own. */
const PATIENTS = 400;
const CONSENT_EVERY = 4;

/** Runs one job in a load generator of its own and watches the subject meanwhile. */
async function load(subject, job) {
  const child = fork(fileURLToPath(new URL('./load.js', import.meta.url)));
  try {
    let usage;
    let spent;
    return await new Promise((resolve, reject) => {
      child.on('message', ({ kind, result, message }) => {
        if (kind === 'measuring') usage = watchUsage(subject.pid);
        else if (kind === 'measured') spent = usage.end();
        else if (kind === 'failed') reject(new Error(message));
        else resolve({ ...result, usage: spent });
      });
      child.once('exit', () => reject(new Error('the load generator ended')));
      child.send(job);
    });
  } finally {
    child.removeAllListeners('exit');
    child.disconnect();
  }
}

/** Microseconds of CPU for each operation of a phase. */
function perOperation({ usage, operations }) {
  if (usage === undefined || operations === 0) return {};
  return { nodeUs: usage.nodeCpu / operations, postgresUs: usage.postgresCpu / operations };
}

async function sizes(subject) {
  const [{ bytes, rows }] = await ask(subject, subject.name === 'gateway' ? SIZE_OF_PRODUCT : SIZE_OF_BASELINE);
  return { bytes: Number(bytes), resources: Number(rows) };
}

const TABLES = `select coalesce(sum(pg_total_relation_size(c.oid)), 0) as bytes
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relkind = 'r'`;
const SIZE_OF_PRODUCT = `select (${TABLES}) as bytes, (select count(*) from record) as rows`;
const SIZE_OF_BASELINE = `select (${TABLES}) as bytes, (select count(*) from version) as rows`;

async function oru(subject, settings, state) {
  const before = await sizes(subject);
  const result = await load(subject, {
    request: 'oru',
    protocol: 'mllp',
    address: subject.mllp,
    connections: settings.mllpConnections,
    warmUp: settings.warmUp,
    seconds: settings.seconds,
    first: state.messages,
  });
  state.messages += result.sent;
  const after = await sizes(subject);
  const resources = after.resources - before.resources;
  return {
    ...result,
    ...perOperation(result),
    resourcesPerMessage: resources / result.sent,
    resourcesPerSecond: (result.perSecond * resources) / result.sent,
    bytesPerResource: (after.bytes - before.bytes) / resources,
  };
}

async function json(subject, path, options = {}) {
  const response = await fetch(`${subject.fhir}${path}`, {
    ...options,
    headers: { authorization: `Bearer ${subject.bearer}`, 'content-type': 'application/fhir+json', ...options.headers },
  });
  const body = await response.json();
  if (!response.ok) throw new Error(`${path.split('?')[0]}: ${response.status} ${JSON.stringify(body).slice(0, 500)}`);
  return body;
}

/** Finds patients and their records through the subject's own search, spread over all messages; writes some Consents. */
async function discover(subject, state) {
  if (state.patients !== undefined) return;
  subject.bearer = subject.token();
  state.patients = [];
  state.records = [];
  const step = Math.max(1, Math.floor(state.messages / PATIENTS));
  for (let n = 0; n < state.messages && state.patients.length < PATIENTS; n += step) {
    const number = String(n).padStart(7, '0');
    const { entry: [found] = [] } = await json(subject, `/Patient?identifier=BENCH-${number}`);
    if (found === undefined) continue;
    const { id } = found.resource;
    state.patients.push(id);
    const { entry = [] } = await json(subject, `/Observation?patient=${id}&_count=50`);
    for (const { resource } of entry) state.records.push(`Observation/${resource.id}`);
    const reports = await json(subject, `/DiagnosticReport?patient=${id}`);
    for (const { resource } of reports.entry ?? []) state.records.push(`DiagnosticReport/${resource.id}`);
    if (subject.name === 'gateway' && state.patients.length % CONSENT_EVERY === 0) {
      await json(subject, '/Consent', { method: 'POST', body: JSON.stringify(consentOf(id)) });
    }
  }
}

/** A Consent with one provision, so that its rules have to be looked at. */
function consentOf(patient) {
  const scope = 'http://terminology.hl7.org/CodeSystem/consentscope';
  const reason = 'http://terminology.hl7.org/CodeSystem/v3-ActReason';
  return {
    resourceType: 'Consent',
    status: 'active',
    scope: { coding: [{ system: scope, code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: `Patient/${patient}` },
    dateTime: '2025-01-01T00:00:00Z',
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
    provision: { type: 'permit', provision: [{ type: 'deny', purpose: [{ system: reason, code: 'HMARKT' }] }] },
  };
}

async function get(subject, settings, paths) {
  const { hostname, port, pathname } = new URL(subject.fhir);
  const result = await load(subject, {
    request: 'get',
    protocol: 'http',
    address: { host: hostname, port: Number(port) },
    connections: settings.httpConnections,
    warmUp: settings.warmUp,
    seconds: settings.seconds,
    token: subject.bearer,
    paths: paths.map((path) => pathname + path),
  });
  return { ...result, ...perOperation(result) };
}

const PHASES = {
  oru,
  read: (subject, settings, state) =>
    get(
      subject,
      settings,
      state.records.map((record) => `/${record}`),
    ),
  'search-code': (subject, settings, state) =>
    get(
      subject,
      settings,
      state.patients.map((id) => `/Observation?patient=${id}&code=http://loinc.org%7C718-7`),
    ),
  'search-category': (subject, settings, state) =>
    get(
      subject,
      settings,
      state.patients.map((id) => `/Observation?patient=${id}&category=laboratory`),
    ),
};

/** Runs the phases in order; `report` is told of each as it ends. */
export async function measure(subject, settings, report) {
  const state = { messages: 0, patients: undefined, records: [] };
  const results = {};
  for (const name of settings.phases) {
    if (!Object.hasOwn(PHASES, name)) throw new TypeError(`there is no phase ${name}`);
    if (name !== 'oru') await discover(subject, state);
    results[name] = await PHASES[name](subject, settings, state);
    report(name, results[name]);
  }
  return results;
}
