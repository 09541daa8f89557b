/** What searches a type can answer, for the CapabilityStatement: exactly what query.ts takes. */
import { parametersOf, type ParameterType } from './parameters.ts';
import { supportOf, type Support } from './support.ts';

/** One entry of CapabilityStatement.rest.resource.searchParam. */
export interface SupportedParameter {
  readonly name: string;
  readonly type: ParameterType;
  /** Forms, modifiers and prefixes that work, and what must stand beside it. */
  readonly documentation: string;
}

const FORMS: Readonly<Record<ParameterType, string>> = {
  token: 'code, system|code, |code, system|; :not, :missing.',
  string: 'Start of the text, without case, accents and punctuation; :exact, :contains, :missing.',
  reference: 'Type/id, id, or an absolute URL; :[type], :missing.',
  date: 'Prefixes eq, ne, gt, ge, lt, le, sa, eb; without a zone UTC; :missing.',
  uri: 'The whole URI; :missing.',
  number: 'Prefixes eq, ne, gt, ge, lt, le, sa, eb; :missing.',
  quantity: 'number, number|system|code, number||unit; prefixes eq, ne, gt, ge, lt, le, sa, eb; :missing.',
  composite: '',
  special: '',
};

const ALONE: Readonly<Record<Support, string>> = {
  indexed: '',
  patient: ' Searches one record, which makes every other parameter fast.',
  filter: ' Together with a parameter that narrows the search, such as patient, identifier, code or name.',
};

/** Search parameters of a resource type by name, `_id` first; repeated ones are ANDed, commas are OR. */
export function searchParameters(type: string): readonly SupportedParameter[] {
  const supported: SupportedParameter[] = [{ name: '_id', type: 'token', documentation: 'One or more logical ids.' }];
  for (const parameter of parametersOf(type).values()) {
    const support = supportOf(type, parameter);
    if (support === undefined) continue;
    supported.push({
      name: parameter.name,
      type: parameter.type,
      documentation: FORMS[parameter.type] + ALONE[support],
    });
  }
  return supported;
}
