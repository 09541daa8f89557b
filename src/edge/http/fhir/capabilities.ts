/** capabilities: `GET [base]/metadata` (R4 http, 3.1.0.13). Lists exactly what works; rendered from services/capability. */
import { GatewayError } from '../../../core/errors.ts';
import { servedTypes, type ServedType } from '../../../services/capability.ts';
import type { Answer, Call } from './call.ts';

export interface CapabilityFacts {
  /** Version of this software. */
  readonly version: string;
  /** Name of this gateway. */
  readonly origin: string;
  /** ISO 8601 instant at which this process began. */
  readonly started: string;
}

/** The statement is public: it says nothing about anybody. */
export function capabilities(facts: CapabilityFacts): (call: Pick<Call, 'query' | 'base'>) => Answer {
  const types = servedTypes();
  return ({ query, base }) => {
    if (query.some(([name, value]) => name !== 'mode' || value !== 'full')) {
      throw new GatewayError('not-supported', 'the capability statement is served with mode=full only');
    }
    return { status: 200, headers: { 'Cache-Control': 'no-cache' }, body: statement(facts, base, types) };
  };
}

function statement(facts: CapabilityFacts, base: string, types: readonly ServedType[]): object {
  return {
    resourceType: 'CapabilityStatement',
    status: 'active',
    date: facts.started,
    kind: 'instance',
    software: { name: 'Anamnesis', version: facts.version },
    implementation: { description: `Gateway ${facts.origin}`, url: base },
    fhirVersion: '4.0.1',
    format: ['application/fhir+json', 'json'],
    rest: [
      {
        mode: 'server',
        documentation:
          'Every read, search and denial is anchored in the audit trail of the patient before it is answered. Unknown parameters are refused.',
        security: {
          cors: false,
          service: [
            {
              coding: [
                { system: 'http://terminology.hl7.org/CodeSystem/restful-security-service', code: 'SMART-on-FHIR' },
              ],
            },
          ],
          description:
            'Bearer access tokens with SMART v2 scopes. What may be seen is decided by the Consents of the patient.',
        },
        resource: types.map(resourceOf),
        interaction: [{ code: 'transaction' }],
      },
    ],
  };
}

function resourceOf({ type, interactions, searchParameters, documentation }: ServedType): object {
  const writable = interactions.includes('update');
  return {
    type,
    ...(documentation === undefined ? {} : { documentation }),
    interaction: interactions.map((code) => ({ code })),
    versioning: writable ? 'versioned-update' : 'versioned',
    readHistory: true,
    updateCreate: writable,
    conditionalCreate: false,
    conditionalRead: 'not-match',
    conditionalUpdate: false,
    conditionalDelete: 'not-supported',
    referencePolicy: ['literal', 'logical'],
    searchParam: searchParameters,
  };
}
