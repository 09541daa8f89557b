// The baseline's writer: the port of the product's (`write/submission`), without sealing, signing, labels and ledger. The same
// changes are applied and validated; a group of messages is one transaction of binary COPYs, durable when it answers.
import { createHash, randomUUID } from 'node:crypto';
import { coalesce } from '../../dist/core/coalesce.js';
import { parseChangeReference } from '../../dist/formats/fhir/change.js';
import { mapReferences, parseReference, subjectOf } from '../../dist/formats/fhir/references.js';
import { validateResource } from '../../dist/formats/fhir/validate.js';
import { copyBatch } from '../../dist/storage/pg/copy-batch.js';
import { CopyRows } from '../../dist/storage/pg/copy-binary.js';
import { applyChange } from '../../dist/write/apply.js';
import { tokensOf } from './token.js';

const JSONB_VERSION = Buffer.from([1]);
const RESOLVE = `
  select a.key, a.resource, v.version, v.body, v.source_time
    from unnest($1::text[]) w(key) join alias a on a.key = w.key
    cross join lateral (select * from version where resource = a.resource order by version desc limit 1) v`;
const SEEN = 'select control, digest, answer from message where control = any($1)';

export function jsonb(rows, value) {
  return rows.bytes(Buffer.concat([JSONB_VERSION, Buffer.from(JSON.stringify(value))]));
}

/** A Writer that keeps resources as JSONB. */
export function baselineWriter(pool) {
  const resolve = coalesce(
    async (lists) => {
      const { rows } = await pool.query({ name: 'resolve', text: RESOLVE, values: [[...new Set(lists.flat())]] });
      const found = new Map(rows.map((row) => [row.key, row]));
      return lists.map(() => found);
    },
    { concurrency: 2, max: 32 },
  );
  const seen = coalesce(
    async (controls) => {
      const { rows } = await pool.query({ name: 'seen', text: SEEN, values: [controls] });
      return controls.map((control) => rows.filter((row) => row.control === control));
    },
    { concurrency: 2, max: 64 },
  );
  const commit = coalesce((items) => commitItems(pool, items), { max: 256 });
  return {
    async submit(submission) {
      const digest = createHash('sha256').update(submission.raw.bytes).digest();
      for (;;) {
        const keys = submission.changes.map(({ type, keys: all }) => all.map((key) => `${type}|${key.join('|')}`));
        const [known, earlier] = await Promise.all([resolve(keys.flat()), seen(submission.control)]);
        const same = earlier.find((row) => row.digest.equals(digest));
        if (same !== undefined) return { leaf: 0, replayed: true, answer: same.answer, results: [] };
        const item = prepare(submission, keys, known);
        item.message = {
          control: submission.control,
          digest,
          raw: submission.raw.bytes,
          answer: submission.answer([]),
        };
        if (await commit(item)) return { leaf: 0, replayed: false, answer: item.message.answer, results: [] };
      }
    },
  };
}

function prepare(submission, keys, known) {
  const fresh = new Map();
  const targets = new Map();
  const inOrder = submission.changes.map((change, i) => {
    const head = keys[i].map((key) => known.get(key)).find((row) => row !== undefined);
    const resource =
      head?.resource ?? keys[i].map((key) => fresh.get(key)).find((id) => id !== undefined) ?? randomUUID();
    for (const key of keys[i]) if (!known.has(key) && !fresh.has(key)) fresh.set(key, resource);
    let target = targets.get(resource);
    if (target === undefined) {
      target = {
        resource,
        type: change.type,
        version: head?.version ?? 0,
        current: head?.body,
        sourceTime: head?.source_time,
        next: undefined,
      };
      targets.set(resource, target);
    }
    return target;
  });
  const references = inOrder.map(({ type, resource }) => `${type}/${resource}`);
  const link = (reference) => references[parseChangeReference(reference)] ?? reference;
  submission.changes.forEach((change, i) => {
    const target = inOrder[i];
    const sourceTime = Math.min(change.sourceTime, submission.receivedAt);
    if (target.sourceTime !== undefined && target.sourceTime > sourceTime) return;
    const linked = { ...change };
    for (const part of ['set', 'append', 'initial'])
      if (linked[part] !== undefined) linked[part] = mapReferences(linked[part], link);
    const next = applyChange(target.next ?? target.current, linked);
    if (next === undefined) return;
    target.next = next;
    target.nextTime = sourceTime;
  });
  const now = new Date().toISOString();
  const versions = [];
  for (const target of targets.values()) {
    if (target.next === undefined) continue;
    const { resourceType, meta, ...content } = target.next;
    const version = target.version + 1;
    const body = {
      resourceType,
      id: target.resource,
      meta: { ...meta, versionId: String(version), lastUpdated: now },
      ...content,
    };
    const error = validateResource(body).find((issue) => issue.severity === 'error');
    if (error !== undefined) throw new Error(`${error.expression}: ${error.diagnostics}`);
    const subject = parseReference(subjectOf(body) ?? '')?.id ?? '';
    versions.push({
      resource: target.resource,
      version,
      body,
      sourceTime: target.nextTime,
      ...tokensOf(body, subject),
    });
  }
  return { versions, aliases: [...fresh] };
}

/** One transaction for all items; false for those that raced with another and have to be prepared again. */
async function commitItems(pool, items) {
  const claimed = new Set();
  const stands = items.map(({ aliases, versions, message }) => {
    const claims = [
      ...aliases.map(([key]) => key),
      ...versions.map(({ resource, version }) => `${resource}/${version}`),
      `${message.control}/${message.digest.toString('hex')}`,
    ];
    if (claims.some((claim) => claimed.has(claim))) return false;
    for (const claim of claims) claimed.add(claim);
    return true;
  });
  const client = await pool.connect();
  try {
    await copyBatch(client, partsOf(items.filter((_, i) => stands[i])), []);
    return stands;
  } catch (error) {
    if (error.code === '23505') return items.map(() => false);
    throw error;
  } finally {
    client.release();
  }
}

function partsOf(items) {
  const versions = new CopyRows();
  const aliases = new CopyRows();
  const tokens = new CopyRows();
  const messages = new CopyRows();
  for (const item of items) {
    for (const { resource, version, body, sourceTime, sortTime, tokens: its } of item.versions) {
      jsonb(versions.row(5).uuid(resource).int4(version).text(body.resourceType).int8(sourceTime), body);
      for (const token of its) tokens.row(4).int8(token).int8(sortTime).uuid(resource).int4(version);
    }
    for (const [key, resource] of item.aliases) aliases.row(2).text(key).uuid(resource);
    const { control, digest, raw, answer } = item.message;
    messages.row(4).text(control).bytes(digest).bytes(raw).text(answer);
  }
  return [
    { target: 'version (resource, version, type, source_time, body)', rows: versions },
    { target: 'alias (key, resource)', rows: aliases },
    { target: 'token (token, sort_time, resource, version)', rows: tokens },
    { target: 'message (control, digest, raw, answer)', rows: messages },
  ];
}
