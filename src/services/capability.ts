/**
 * What the FHIR endpoint can do, as data: served types, their interactions and search parameters. The CapabilityStatement
 * is rendered from it and the router refuses by it, so that the one cannot claim what the other does not do.
 */
import { codeTable } from '../core/code-table.ts';
import { RESOURCE_TYPES } from '../formats/fhir/definitions.ts';
import { DIRECTORY_TYPES, subjectPaths } from '../formats/fhir/references.ts';
import { searchParameters, type SupportedParameter } from '../search/capability.ts';

export type TypeInteraction = 'read' | 'vread' | 'update' | 'delete' | 'history-instance' | 'create' | 'search-type';

export interface ServedType {
  readonly type: string;
  readonly interactions: readonly TypeInteraction[];
  readonly searchParameters: readonly SupportedParameter[];
  /** What is peculiar to the type. */
  readonly documentation?: string;
}

const READS: readonly TypeInteraction[] = ['read', 'vread', 'history-instance', 'search-type'];
const WRITES: readonly TypeInteraction[] = ['create', 'update', 'delete'];

/** Types that only the gateway writes. */
const READ_ONLY: ReadonlySet<string> = new Set(['AuditEvent', 'MessageHeader']);
/** Search parameters of a type that is only ever rendered. */
const RENDERED_ONLY: Readonly<Record<string, readonly string[]>> = codeTable({ MessageHeader: ['_id', 'focus'] });

/** True for a type of which records can be kept here: it has a patient, or belongs to the directory. */
export function isServed(type: string): boolean {
  if (!RESOURCE_TYPES.has(type)) return false;
  if (type === 'Patient' || DIRECTORY_TYPES.has(type) || Object.hasOwn(RENDERED_ONLY, type)) return true;
  return subjectPaths(type).length > 0;
}

/** Whether an interaction works on a type at all. */
export function allows(type: string, interaction: TypeInteraction): boolean {
  return isServed(type) && (READS.includes(interaction) || !READ_ONLY.has(type));
}

/** Whether a search parameter, without its modifier, finds anything in a type. */
export function isSearchable(type: string, name: string): boolean {
  return !Object.hasOwn(RENDERED_ONLY, type) || RENDERED_ONLY[type].includes(name);
}

const DOCUMENTATION: Readonly<Record<string, string>> = codeTable({
  MessageHeader: 'Rendered from the manifests of HL7 v2 messages, naming what the caller may see of what they made.',
  Provenance:
    'Rendered from the manifest of every message, naming what the caller may see of what it made; those that clients submit stand behind these. Searched by target, patient or _id, and other parameters beside these.',
});

/** Every served type, by name. */
export function servedTypes(): readonly ServedType[] {
  return [...RESOURCE_TYPES]
    .filter(isServed)
    .toSorted()
    .map((type) => ({
      type,
      interactions: READ_ONLY.has(type) ? READS : [...READS, ...WRITES],
      searchParameters: searchParameters(type).filter(({ name }) => isSearchable(type, name)),
      ...(Object.hasOwn(DOCUMENTATION, type) ? { documentation: DOCUMENTATION[type] } : {}),
    }));
}
