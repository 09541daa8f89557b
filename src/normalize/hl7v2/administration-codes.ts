/**
 * Codes of how something is given or taken that have another code in FHIR (maps RouteOfAdministration, AdministrationMethod and
 * SpecimenCollectionMethod of the guide); the codes of the HL7 tables stay behind them.
 */
import { codeTable } from '../../core/code-table.ts';
import type { Element } from './context.ts';

const ROUTE_SYSTEM = 'http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration';
const SNOMED = 'http://snomed.info/sct';

/** Table 0162. */
export const ROUTE: Readonly<Record<string, Element>> = codeTable<Element>({
  ID: { system: ROUTE_SYSTEM, code: 'IDINJ', display: 'Injection, intradermal' },
  IM: { system: ROUTE_SYSTEM, code: 'IM', display: 'Injection, intramuscular' },
  IV: { system: ROUTE_SYSTEM, code: 'IVINJ', display: 'Injection, intravenous' },
  PO: { system: ROUTE_SYSTEM, code: 'PO', display: 'Swallow, oral' },
  SC: { system: ROUTE_SYSTEM, code: 'SQ', display: 'Injection, subcutaneous' },
  TD: { system: ROUTE_SYSTEM, code: 'TRNSDERM', display: 'Transdermal' },
});

/** Table 0165. */
export const ADMINISTRATION_METHOD: Readonly<Record<string, Element>> = codeTable<Element>({
  CH: { system: SNOMED, code: '419747000', display: 'Chew' },
  DI: { system: SNOMED, code: '421682005', display: 'Dissolve' },
  IS: { system: SNOMED, code: '421257003', display: 'Insert' },
  SH: { system: SNOMED, code: '420606003', display: 'Shampoo' },
  WA: { system: SNOMED, code: '422152000', display: 'Wash' },
});

/** Table 0488. */
export const COLLECTION_METHOD: Readonly<Record<string, Element>> = codeTable<Element>({
  BIO: { system: SNOMED, code: '129314006', display: 'Biopsy - action' },
  SCRAPS: { system: SNOMED, code: '129323009', display: 'Scraping - action' },
});
