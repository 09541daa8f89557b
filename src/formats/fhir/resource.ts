/** The FHIR R4 resource as JSON, as loosely as the generic layers need it. Mappers use the types of @types/fhir. */
export interface Meta {
  readonly versionId?: string;
  readonly lastUpdated?: string;
  readonly profile?: readonly string[];
  readonly security?: readonly Coding[];
  readonly tag?: readonly Coding[];
  readonly [element: string]: unknown;
}

export interface Coding {
  readonly system?: string;
  readonly code?: string;
  readonly display?: string;
  readonly [element: string]: unknown;
}

export interface Resource {
  readonly resourceType: string;
  readonly id?: string;
  readonly meta?: Meta;
  readonly [element: string]: unknown;
}

/** A resource as it stands in a sealed line: identity and version are set. */
export interface StoredResource extends Resource {
  readonly id: string;
  readonly meta: Meta & { readonly versionId: string; readonly lastUpdated: string };
}

/** `meta.tag` system of the product's own marks. */
export const GATEWAY_TAG_SYSTEM = 'https://anamnesis.health/fhir/tag';

/** True for the line that a deletion writes: a version without content. */
export function isTombstone(resource: Resource): boolean {
  return resource.meta?.tag?.some((tag) => tag.system === GATEWAY_TAG_SYSTEM && tag.code === 'deleted') === true;
}
