/**
 * What one HL7 v2 message would become against an empty record: a FHIR R4 transaction Bundle, with the labels that would
 * choose the lockboxes written out in `meta.security`. Pure, for dry runs; nothing is kept, nothing is sent.
 */
import { createHash } from 'node:crypto';
import type { Change } from '../formats/fhir/change.ts';
import { parseChangeReference } from '../formats/fhir/change.ts';
import { mapReferences } from '../formats/fhir/references.ts';
import type { Resource } from '../formats/fhir/resource.ts';
import { validateResource, type Issue } from '../formats/fhir/validate.ts';
import { parseFhirJson, stringifyFhirJson } from '../formats/fhir/json.ts';
import { parseHl7v2 } from '../formats/hl7v2/message.ts';
import { securityOf } from '../labels/label-coding.ts';
import { labelsOf } from '../labels/labels-of.ts';
import { normalizeHl7v2, type MessageDetails } from '../normalize/hl7v2/normalize.ts';
import type { SourceProfile } from '../normalize/hl7v2/source-profile.ts';
import { applyChange } from '../write/apply.ts';
import { withLink } from '../write/patient-links.ts';
import { notKnown } from '../write/target.ts';

export interface ConvertedMessage {
  readonly details: MessageDetails;
  /** `Bundle` of type transaction: one create for each resource, in the order of the message. */
  readonly bundle: Resource;
  /** What R4 does not allow: such a message would be refused. Empty: it would be taken. */
  readonly issues: readonly Issue[];
}

interface Draft {
  readonly fullUrl: string;
  readonly type: string;
  readonly keys: readonly (readonly string[])[];
  content: Resource | undefined;
}

/** Converts a message. `receivedAt`: milliseconds since 1970. Throws GatewayError where the gateway would refuse it. */
export function convertHl7v2(bytes: Buffer, profile: SourceProfile, receivedAt: number): ConvertedMessage {
  const { changes, details } = normalizeHl7v2(parseHl7v2(bytes, profile), profile, receivedAt);
  const drafts = draftsOf(changes, `${profile.name}\u0000${details.controlId}`);
  const link = (reference: string): string => drafts[parseChangeReference(reference) ?? -1]?.fullUrl ?? reference;
  changes.forEach((change, i) => {
    const draft = drafts[i];
    if (change.mode === 'merge' && change.unless !== undefined && drafts[change.unless] === draft) return;
    if (change.mode === 'merge' && change.onlyKnown !== undefined && draft.content === undefined)
      throw notKnown(change.type, change.onlyKnown);
    const current = draft.content && {
      ...draft.content,
      id: '-',
      meta: { ...draft.content.meta, versionId: '1', lastUpdated: '' },
    };
    draft.content = applyChange(current, linked(change, link)) ?? draft.content;
  });
  linkPatients(changes, drafts);
  const entries = [...new Set(drafts)].flatMap((draft) =>
    draft.content === undefined ? [] : [entryOf(draft, draft.content)],
  );
  const issues = entries.flatMap(({ resource }) =>
    validateResource(parseFhirJson(stringifyFhirJson(resource))).filter(({ severity }) => severity === 'error'),
  );
  return { details, bundle: { resourceType: 'Bundle', type: 'transaction', entry: entries }, issues };
}

/** One draft for each resource: Changes that share a key speak of the same one. */
function draftsOf(changes: readonly Change[], seed: string): readonly Draft[] {
  const known = new Map<string, Draft>();
  return changes.map((change, i) => {
    const names = change.keys.map((key) => JSON.stringify([change.type, ...key]));
    const found = names.map((name) => known.get(name)).find((draft) => draft !== undefined);
    const draft = found ?? {
      fullUrl: `urn:uuid:${uuidOf(`${seed}\u0000${i}`)}`,
      type: change.type,
      keys: change.keys,
      content: undefined,
    };
    for (const name of names) if (!known.has(name)) known.set(name, draft);
    return draft;
  });
}

/** Patients of whom the message says that they are one person get the links that the gateway would keep. */
function linkPatients(changes: readonly Change[], drafts: readonly Draft[]): void {
  changes.forEach((change, i) => {
    if (change.mode !== 'merge' || change.relation === undefined || change.relation.kind === 'none') return;
    const [one, other] = [drafts[i], drafts[change.relation.other]];
    if (one === other || one.content === undefined || other.content === undefined) return;
    const merged = change.relation.kind === 'replaced-by';
    const { active } = one.content;
    one.content = withLink(one.content, other.fullUrl, change.relation.kind, merged ? false : active);
    other.content = withLink(other.content, one.fullUrl, merged ? 'replaces' : 'seealso', other.content.active);
  });
}

function linked(change: Change, link: (reference: string) => string): Change {
  if (change.mode !== 'merge') return change;
  return {
    ...change,
    set: mapReferences(change.set, link),
    ...(change.append && { append: mapReferences(change.append, link) }),
    ...(change.initial && { initial: mapReferences(change.initial, link) }),
  };
}

function entryOf(draft: Draft, content: Resource): { fullUrl: string; resource: Resource; request: Resource | object } {
  const resource = labelled(content);
  // A resource that its identifier makes unique is not made twice by sending the Bundle twice.
  const identifier = draft.keys.find(([kind]) => kind === 'identifier');
  const ifNoneExist =
    identifier === undefined
      ? {}
      : {
          ifNoneExist: `identifier=${[identifier[1], identifier[2]].map((part) => encodeURIComponent(part.replace(/[\\$,|]/g, '\\$&'))).join('|')}`,
        };
  return { fullUrl: draft.fullUrl, resource, request: { method: 'POST', url: draft.type, ...ifNoneExist } };
}

/** With the codes of the labels that its own codes, words and kind give it. */
function labelled(resource: Resource): Resource {
  const security = securityOf(resource, labelsOf(resource));
  const { resourceType, meta, ...elements } = resource;
  const marked = { ...meta, ...(security.length > 0 && { security }) };
  return { resourceType, ...(Object.keys(marked).length > 0 && { meta: marked }), ...elements };
}

/** The same message gives the same Bundle: ids come from the message (RFC 9562 version 8). */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  const variant = ((Number.parseInt(hex[16], 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
