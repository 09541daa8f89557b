/**
 * The pairs of message and Bundle that the CDC publishes (folder `hl7v2/cdc` of the corpora), each with what we make of its message. Three
 * things are done to a message before it is read: what we refuse for is mended, so that the rest can be compared; one of PID alone
 * is read as the ADT message that it would be, since results only repeat a patient; times without a zone are those of UTC, as theirs are.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseMessageDetails } from '../../../src/audit/message-details.ts';
import { renderMessageHeader } from '../../../src/audit/message-header.ts';
import { convertHl7v2 } from '../../../src/services/convert-hl7v2.ts';
import { profile, RECEIVED_AT } from '../hl7v2.ts';
import { bundled, differences, type Difference } from './compare.ts';

/** Names of the pairs below a folder, without ending. */
export function pairNames(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.hl7'))
    .map((name) => name.slice(0, -'.hl7'.length))
    .toSorted();
}

/** What the two Bundles of a pair do not agree on. */
export function pairDifferences(folder: string, name: string): Difference[] {
  const theirs: unknown = JSON.parse(readFileSync(join(folder, `${name}.fhir`), 'utf8'));
  const message = readable(readFileSync(join(folder, `${name}.hl7`), 'latin1'));
  const { bundle, details } = convertHl7v2(Buffer.from(message, 'latin1'), profile({ timeZone: 'UTC' }), RECEIVED_AT);
  const header = renderMessageHeader({
    id: 'm-0',
    origin: 'gateway.example',
    leaf: 0,
    kind: 'hl7v2',
    source: 'test',
    receivedAt: RECEIVED_AT,
    message: parseMessageDetails({ ...details }),
    submitter: undefined,
    produced: [],
  });
  const ours: unknown = JSON.parse(JSON.stringify(bundle));
  const rendered: unknown = JSON.parse(JSON.stringify({ entry: [{ fullUrl: 'header', resource: header }] }));
  return differences(bundled(theirs), [...bundled(ours), ...bundled(rendered)]);
}

function readable(text: string): string {
  const lines = text.replace(/\r?\n/g, '\r');
  const message = (/\rPID/.test(lines) ? lines : `${lines}\rPID|1`)
    // OBR-4 is required, and OBR-25 is of table 0123.
    .replace(/\r(OBR(?:\|[^|\r]*){3})\|(?=\||\r|$)/g, '\r$1|?^mended')
    .replace(/\r(OBR(?:\|[^|\r]*){24})\|unknown/, '\r$1|F')
    // A result has OBX-3.
    .replace(/\rOBX\|1(?=\r|$)/, '\rOBX|1||?^mended');
  if (/\r(OBR|ORC|OBX)/.test(message)) return message;
  return message.replace('ORU^R01^ORU_R01', /\rPV1/.test(message) ? 'ADT^A01^ADT_A01' : 'ADT^A31^ADT_A05');
}
