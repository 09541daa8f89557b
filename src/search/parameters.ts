/**
 * The R4 search parameters as compiled by tools/compile-fhir.js: name, type, and the JSON paths of their values. Which of
 * them can be searched is decided in support.ts.
 */
import { createRequire } from 'node:module';
import type { Resource } from '../formats/fhir/resource.ts';

export type ParameterType =
  'token' | 'string' | 'reference' | 'date' | 'uri' | 'number' | 'quantity' | 'composite' | 'special';

/** One way from a resource to a value. */
export interface ValuePath {
  readonly steps: readonly Step[];
  /** FHIR data type of the leaf; `deceased` for Patient.deceased[x] read as a boolean. */
  readonly kind: string;
  /** Only references to this resource type count (`where(resolve() is Patient)`). */
  readonly only?: string;
  /** Value set of the required binding of a `code`, from which its system follows. */
  readonly valueSet?: string;
}

interface Step {
  readonly name: string;
  /** Only entries whose `element` has this value. */
  readonly where?: { readonly element: string; readonly value: string };
  /** Only the first entry. */
  readonly first: boolean;
}

export interface SearchParameter {
  readonly name: string;
  readonly type: ParameterType;
  readonly paths: readonly ValuePath[];
  /** Resource types that a reference may name; empty: any. */
  readonly targets: readonly string[];
}

function parsePath(text: string): ValuePath {
  const colon = text.indexOf(':');
  const [, kind = '', mark = '', detail = ''] = /^(\w+)([!>]?)(.*)$/.exec(text.slice(colon + 1)) ?? [];
  const steps = text
    .slice(0, colon)
    .split('.')
    .map((step): Step => {
      const [, name = '', element, value = ''] = /^(\w+)(?:\{(\w+)=(.+)\})?/.exec(step) ?? [];
      return { name, first: step.endsWith('[0]'), ...(element === undefined ? {} : { where: { element, value } }) };
    });
  return { steps, kind, ...(mark === '>' ? { only: detail } : mark === '!' ? { valueSet: detail } : {}) };
}

function parseLine(line: string): SearchParameter {
  const [name = '', type = '', ...rest] = line.split(' ');
  const targets =
    rest
      .find((part) => part.startsWith('@'))
      ?.slice(1)
      .split(',') ?? [];
  const paths = rest.filter((part) => !part.startsWith('@')).map(parsePath);
  return { name, type: type as ParameterType, paths, targets };
}

const lines = createRequire(import.meta.url)('./parameters.generated.json') as Readonly<
  Record<string, readonly string[]>
>;
const parsed = new Map<string, ReadonlyMap<string, SearchParameter>>();

/** All official search parameters of a type by name, those of every resource included. */
export function parametersOf(type: string): ReadonlyMap<string, SearchParameter> {
  let found = parsed.get(type);
  if (found === undefined) {
    const own = [...(lines.Resource ?? []), ...(lines.DomainResource ?? []), ...(lines[type] ?? [])].map(parseLine);
    found = new Map(own.map((parameter) => [parameter.name, parameter]));
    if (lines[type] !== undefined || type === 'Resource') parsed.set(type, found);
  }
  return found;
}

/** Calls `visit` with every value that stands at the path, arrays flattened; null entries are passed over. */
export function visitValues(resource: Resource, path: ValuePath, visit: (value: unknown) => void): void {
  descend(resource, path.steps, 0, visit);
}

function descend(value: unknown, steps: readonly Step[], at: number, visit: (value: unknown) => void): void {
  const step = steps[at];
  if (step === undefined) {
    visit(value);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const child: unknown = (value as Readonly<Record<string, unknown>>)[step.name];
  if (child === undefined || child === null) return;
  if (!Array.isArray(child)) {
    if (passes(child, step)) descend(child, steps, at + 1, visit);
    return;
  }
  for (const entry of child as readonly unknown[]) {
    if (entry !== null && passes(entry, step)) descend(entry, steps, at + 1, visit);
    if (step.first) return;
  }
}

function passes(value: unknown, step: Step): boolean {
  if (step.where === undefined) return true;
  return (
    typeof value === 'object' && (value as Readonly<Record<string, unknown>>)[step.where.element] === step.where.value
  );
}
