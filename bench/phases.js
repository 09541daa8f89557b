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
    if (child.connected) child.disconnect();
  }
}

/** Several parts of one phase and subject as one result. Latencies in milliseconds, CPU in microseconds an operation. */
function together(parts) {
  const sum = (of) => parts.reduce((total, part) => total + of(part), 0);
  const operations = sum((part) => part.operations);
  const times = Float64Array.from(parts.flatMap((part) => part.times)).sort();
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  const measured = parts.every(({ usage }) => usage !== undefined) && operations > 0;
  const peak = (of) => Math.max(...parts.map(({ usage }) => of(usage)));
  return {
    operations,
    sent: sum((part) => part.sent),
    perSecond: operations / sum((part) => part.seconds),
    p50: at(0.5),
    p99: at(0.99),
    answerBytes: sum((part) => part.bytes) / Math.max(1, operations),
    loadUs: sum((part) => part.loadCpu) / Math.max(1, operations),
    ...(measured
      ? {
          nodeUs: sum(({ usage }) => usage.nodeCpu) / operations,
          postgresUs: sum(({ usage }) => usage.postgresCpu) / operations,
          nodeBytes: peak((usage) => usage.nodeBytes),
          postgresBytes: peak((usage) => usage.postgresBytes),
        }
      : {}),
  };
}

async function sizes(subject) {
  const [{ bytes, rows }] = await ask(subject, subject.name === 'gateway' ? SIZE_OF_PRODUCT : SIZE_OF_BASELINE);
  return { bytes: Number(bytes), resources: Number(rows) };
}

const TABLES = `select coalesce(sum(pg_total_relation_size(c.oid)), 0) as bytes
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relkind = 'r'`;
const SIZE_OF_PRODUCT = `select (${TABLES}) as bytes, (select count(*) from record) as rows`;
const SIZE_OF_BASELINE = `select (${TABLES}) as bytes, (select count(*) from version) as rows`;

/**
 * One part of an intake phase. `patients`: so many come again and again; without it each message is of a patient that was
 * never seen before, 12 new resources each.
 */
async function intake(subject, settings, { connections = settings.mllpConnections, patients, seconds } = {}) {
  const part = await load(subject, {
    request: 'oru',
    protocol: 'mllp',
    address: subject.mllp,
    connections,
    warmUp: settings.warmUp,
    seconds: seconds ?? settings.seconds / settings.rounds,
    first: subject.messages,
    ...(patients === undefined ? {} : { patients }),
  });
  subject.messages += part.sent;
  return part;
}

/** Patients of the phase in which nearly all are known. */
const KNOWN_PATIENTS = 500;
/** Seconds of the parts in which the subject is filled. */
const FILL_SECONDS = 5;

/** Fills a subject with new patients until it holds so many resources. Messages a second in the first and last tenth. */
export async function fill(subject, settings, resources, report) {
  subject.messages ??= 0;
  const parts = [];
  for (;;) {
    const part = await intake(subject, { ...settings, warmUp: 0.1 }, { seconds: FILL_SECONDS });
    const { resources: held, bytes } = await sizes(subject);
    parts.push({ held, perSecond: part.operations / part.seconds });
    report(subject.name, held, parts.at(-1).perSecond);
    if (held >= resources) return { ...slopeOf(parts, held), bytesPerResource: bytes / held };
  }
}

function slopeOf(parts, held) {
  const mean = (of) => of.reduce((sum, { perSecond }) => sum + perSecond, 0) / of.length;
  const tenth = Math.max(1, Math.round(parts.length / 10));
  // The first part warms the subject up.
  const first = mean(parts.slice(1, 1 + tenth));
  const last = mean(parts.slice(-tenth));
  return { resources: held, first, last, slower: 1 - last / first };
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
async function discover(subject) {
  subject.bearer = subject.token();
  subject.patients = [];
  subject.records = [];
  const step = Math.max(1, Math.floor(subject.messages / PATIENTS));
  for (let n = 0; n < subject.messages && subject.patients.length < PATIENTS; n += step) {
    const number = String(n).padStart(7, '0');
    const { entry: [found] = [] } = await json(subject, `/Patient?identifier=BENCH-${number}`);
    if (found === undefined) continue;
    const { id } = found.resource;
    subject.patients.push(id);
    const { entry = [] } = await json(subject, `/Observation?patient=${id}&_count=50`);
    for (const { resource } of entry) subject.records.push(`Observation/${resource.id}`);
    const reports = await json(subject, `/DiagnosticReport?patient=${id}`);
    for (const { resource } of reports.entry ?? []) subject.records.push(`DiagnosticReport/${resource.id}`);
    if (subject.name === 'gateway' && subject.patients.length % CONSENT_EVERY === 0) {
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
  return load(subject, {
    request: 'get',
    protocol: 'http',
    address: { host: hostname, port: Number(port) },
    connections: settings.httpConnections,
    warmUp: settings.warmUp,
    seconds: settings.seconds / settings.rounds,
    token: subject.bearer,
    paths: paths.map((path) => pathname + path),
  });
}

/** One part of each phase. */
const PHASES = {
  oru: (subject, settings) => intake(subject, settings),
  'oru-known': (subject, settings) => intake(subject, settings, { patients: KNOWN_PATIENTS }),
  'oru-one': (subject, settings) => intake(subject, settings, { connections: 1 }),
  read: (subject, settings) =>
    get(
      subject,
      settings,
      subject.records.map((record) => `/${record}`),
    ),
  'search-code': (subject, settings) =>
    get(
      subject,
      settings,
      subject.patients.map((id) => `/Observation?patient=${id}&code=http://loinc.org%7C718-7`),
    ),
  'search-category': (subject, settings) =>
    get(
      subject,
      settings,
      subject.patients.map((id) => `/Observation?patient=${id}&category=laboratory`),
    ),
};

/**
 * Runs the phases in order, in each the subjects in turns; `report` is told of each phase and subject as it ends. Resolves
 * with the results by subject and phase.
 */
export async function measure(subjects, settings, report) {
  const results = Object.fromEntries(subjects.map(({ name }) => [name, {}]));
  for (const subject of subjects) subject.messages = 0;
  for (const phase of settings.phases) {
    if (!Object.hasOwn(PHASES, phase)) throw new TypeError(`there is no phase ${phase}`);
    const before = new Map();
    for (const subject of subjects) {
      before.set(subject, await sizes(subject));
      if (!phase.startsWith('oru') && subject.patients === undefined) await discover(subject);
    }
    const parts = new Map(subjects.map((subject) => [subject, []]));
    for (let round = 0; round < settings.rounds; round += 1) {
      for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) {
        parts.get(subject).push(await PHASES[phase](subject, settings));
      }
    }
    for (const subject of subjects) {
      const result = together(parts.get(subject));
      results[subject.name][phase] =
        phase === 'oru' || phase === 'oru-known' ? { ...result, ...(await growth(subject, before, result)) } : result;
      report(subject.name, phase, results[subject.name][phase]);
    }
  }
  return results;
}

/** What the messages of the intake phase, warm-up included, have become. */
async function growth(subject, before, { sent, perSecond }) {
  const after = await sizes(subject);
  const from = before.get(subject);
  const resources = after.resources - from.resources;
  return {
    resourcesPerMessage: resources / sent,
    resourcesPerSecond: (perSecond * resources) / sent,
    bytesPerResource: (after.bytes - from.bytes) / resources,
  };
}
