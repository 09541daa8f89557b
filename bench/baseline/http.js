// The baseline's FHIR endpoint: the same token check, reads and searches from JSONB, and one audit row for each answer,
// committed in groups before the answer leaves.
import { randomUUID } from 'node:crypto';
import express from 'express';
import { auditEventOf } from '../../dist/audit/audit-event.js';
import { coalesce } from '../../dist/core/coalesce.js';
import { parseReference, subjectOf } from '../../dist/formats/fhir/references.js';
import { typeToken, tokenBare } from '../../dist/search/tokens.js';
import { copyBatch } from '../../dist/storage/pg/copy-batch.js';
import { CopyRows } from '../../dist/storage/pg/copy-binary.js';
import { tokenOf } from './token.js';
import { jsonb } from './writer.js';

const CURRENT = `
  select v.resource, v.body from unnest($1::uuid[]) w(resource)
   cross join lateral (select * from version where resource = w.resource order by version desc limit 1) v`;
const SEARCH = `
  select v.body from (select resource, version from token t where token = $1 order by sort_time desc, resource desc limit $2) t
    join version v on v.resource = t.resource and v.version = t.version
   where not exists (select from version n where n.resource = t.resource and n.version > t.version)`;

/** An Express application over the pool; `authenticate` as the product's. */
export function baselineApp(pool, authenticate, origin) {
  const current = coalesce(
    async (ids) => {
      const { rows } = await pool.query({ name: 'current', text: CURRENT, values: [[...new Set(ids)]] });
      const found = new Map(rows.map((row) => [row.resource, row.body]));
      return ids.map((id) => found.get(id));
    },
    { concurrency: 4, max: 128 },
  );
  const record = coalesce((events) => commitEvents(pool, events), { max: 512 });
  const audit = (principal, interaction, patient, references, query) => {
    const recorded = Date.now();
    const access = {
      id: randomUUID(),
      recorded,
      interaction,
      outcome: 'permitted',
      reasons: [],
      combiner: '',
      consents: [],
      principal,
      patientId: patient,
      references,
      requestId: randomUUID(),
      ...(query === undefined ? {} : { query, count: references.length }),
    };
    return record({ patient, at: recorded, event: auditEventOf(access, origin) });
  };

  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.get('/fhir/:type/:id', async (request, response) => {
    const principal = await authenticate(request.headers.authorization);
    const { type, id } = request.params;
    const resource = await current(id);
    if (resource?.resourceType !== type) return response.status(404).json({});
    await audit(principal, 'read', parseReference(subjectOf(resource) ?? '')?.id, [`${type}/${id}`]);
    response.type('application/fhir+json').json(resource);
  });
  app.get('/fhir/:type', async (request, response) => {
    const principal = await authenticate(request.headers.authorization);
    const { type } = request.params;
    const { patient, _count: count = '50' } = request.query;
    const token = tokenOfQuery(type, request.query);
    const { rows } = await pool.query({ name: 'search', text: SEARCH, values: [String(token), Number(count)] });
    const base = `http://${request.headers.host}/fhir`;
    const entry = rows.map(({ body }) => ({
      fullUrl: `${base}/${type}/${body.id}`,
      resource: body,
      search: { mode: 'match' },
    }));
    await audit(
      principal,
      'search-type',
      patient,
      rows.map(({ body }) => `${type}/${body.id}`),
      request.url,
    );
    response.type('application/fhir+json').json({
      resourceType: 'Bundle',
      type: 'searchset',
      total: entry.length,
      link: [{ relation: 'self', url: `${base}${request.url.slice(5)}` }],
      entry,
    });
  });
  return app;
}

/** The one token that answers the searches of the bench. */
function tokenOfQuery(type, { identifier, patient = '', code, category }) {
  const bare = (value) => value.slice(value.indexOf('|') + 1);
  if (identifier !== undefined) return tokenOf('', tokenBare(type, 'identifier', bare(identifier)));
  if (code !== undefined) return tokenOf(patient, tokenBare(type, 'code', bare(code)));
  if (category !== undefined) return tokenOf(patient, tokenBare(type, 'category', bare(category)));
  return tokenOf(patient, typeToken(type));
}

async function commitEvents(pool, events) {
  const rows = new CopyRows();
  for (const { patient, at, event } of events) {
    rows.row(4).uuid(event.id);
    if (patient === undefined) rows.null();
    else rows.uuid(patient);
    jsonb(rows.int8(at), event);
  }
  const client = await pool.connect();
  try {
    await copyBatch(client, [{ target: 'audit (id, patient, at, event)', rows }], []);
  } finally {
    client.release();
  }
  return events;
}
