/**
 * `anamnesis convert`: the dry run for integrators. Prints the FHIR transaction Bundle that each message would become against an
 * empty record, one line a message that would be taken, and with `--report` on standard error what was not mapped and why. Needs no gateway, no
 * database and no keys; the source's clock, charset and systems come from the settings.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../core/clock.ts';
import { asGatewayError } from '../core/errors.ts';
import { stringifyFhirJson } from '../formats/fhir/json.ts';
import { makeSourceProfile } from '../normalize/hl7v2/source-profile.ts';
import { convertHl7v2, type ConvertedMessage } from '../services/convert-hl7v2.ts';
import { EXIT, UsageError, type Command } from './command.ts';
import { findInputFiles } from './input-files.ts';
import { readHl7Files, type Hl7Item } from './send-hl7v2.ts';
import { readSettings } from './settings.ts';

/** What became of a message: nothing of the patient in it. */
interface Report {
  readonly file: string;
  readonly message?: string;
  readonly controlId?: string;
  /** How many resources of each type. */
  readonly resources?: Readonly<Record<string, number>>;
  readonly notMapped: readonly { readonly location: string; readonly reason: string; readonly count?: number }[];
  /** Why the gateway would refuse the message; absent when it would take it. */
  readonly refused?: readonly { readonly code: string; readonly location?: string; readonly text: string }[];
}

export const convert: Command = async (args, context) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { source: { type: 'string' }, report: { type: 'boolean', default: false } },
  });
  if (positionals.length === 0) throw new UsageError('say which files to convert');
  const { source } = readSettings(context);
  const profile = makeSourceProfile({ ...source, ...(values.source !== undefined && { name: values.source }) });
  const named = findInputFiles(positionals);
  // Named files are HL7 v2 whatever they are called; of folders only `.hl7`.
  const paths = [
    ...named.hl7v2,
    ...positionals.filter((path) => named.dicom.includes(path) || named.fhir.includes(path)),
  ];
  const { items, problems } = await readHl7Files(paths);
  let failed = problems.length > 0;
  for (const { path, problem } of problems) context.err(`anamnesis: ${path}: ${problem ?? 'could not be read'}`);
  for (const item of items) {
    const report = convertOne(item, (bytes) => convertHl7v2(bytes, profile, systemClock.now()), context.out);
    failed ||= report.refused !== undefined;
    if (values.report) context.err(JSON.stringify(report));
    else if (report.refused !== undefined)
      for (const { code, location, text } of report.refused)
        context.err(`anamnesis: ${item.path}: ${location === undefined ? '' : `${location}: `}${text} (${code})`);
  }
  return failed ? EXIT.failed : EXIT.ok;
};

function convertOne(
  { path, message }: Hl7Item,
  run: (bytes: Buffer) => ConvertedMessage,
  out: (line: string) => void,
): Report {
  try {
    const { bundle, details, issues } = run(message);
    if (issues.length === 0) out(stringifyFhirJson(bundle));
    const entries = Array.isArray(bundle.entry) ? bundle.entry : [];
    const resources: Record<string, number> = {};
    for (const { resource } of entries) resources[resource.resourceType] = (resources[resource.resourceType] ?? 0) + 1;
    return {
      file: path,
      message: `${details.messageCode}^${details.event}`,
      controlId: details.controlId,
      resources,
      notMapped: [
        ...Object.entries(details.unmapped ?? {}).map(([location, count]) => ({
          location,
          reason: 'segment-not-mapped',
          count,
        })),
        ...(details.omissions ?? []),
      ],
      ...(issues.length > 0 && {
        refused: issues.map(({ code, expression, diagnostics }) => ({ code, location: expression, text: diagnostics })),
      }),
    };
  } catch (thrown) {
    const { code, message: text, expression } = asGatewayError(thrown);
    return {
      file: path,
      notMapped: [],
      refused: [{ code, ...(expression !== undefined && { location: expression }), text }],
    };
  }
}
