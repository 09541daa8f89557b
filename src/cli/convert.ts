/**
 * `anamnesis convert`: the dry run for integrators. Prints the FHIR transaction Bundle that each message would become against an
 * empty record, one line a message that would be converted, and with `--report` on standard error what was not mapped and why. Needs no gateway, no
 * database and no keys: the source is that of the settings or of `--profile FILE`. With `--source NAME` the kept one is used, where the
 * configured gateway's database and key file are at hand.
 */
import { parseArgs } from 'node:util';
import type { Config } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { asGatewayError } from '../core/errors.ts';
import { stringifyFhirJson } from '../formats/fhir/json.ts';
import { parseSourceDefinition } from '../normalize/hl7v2/source-definition.ts';
import { makeSourceProfile, type SourceProfile } from '../normalize/hl7v2/source-profile.ts';
import { convertHl7v2, type ConvertedMessage } from '../services/convert-hl7v2.ts';
import { isForSender } from '../services/submit-hl7v2.ts';
import { sourceHistory } from '../services/source-store.ts';
import { sourceStore } from '../storage/pg/source-store.ts';
import { EXIT, UsageError, type CliContext, type Command } from './command.ts';
import { openHl7Files, type Hl7Item } from './hl7v2-files.ts';
import { findInputFiles } from './input-files.ts';
import { readSettings } from './settings.ts';
import { readProfile } from './sources.ts';
import { withStoredWriter } from './stored-writer.ts';

/** What became of a message: nothing of the patient in it. */
interface Report {
  readonly file: string;
  readonly message?: string;
  readonly controlId?: string;
  /** How many resources of each type. */
  readonly resources?: Readonly<Record<string, number>>;
  readonly notMapped: readonly { readonly location: string; readonly reason: string; readonly count?: number }[];
  /** Why the gateway would refuse the message, or keep it in quarantine; both absent when it would convert it. */
  readonly refused?: readonly Fault[];
  readonly quarantined?: readonly Fault[];
}

interface Fault {
  readonly code: string;
  readonly location?: string;
  readonly text: string;
}

export const convert: Command = async (args, context) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      source: { type: 'string' },
      profile: { type: 'string' },
      report: { type: 'boolean', default: false },
    },
  });
  if (positionals.length === 0) throw new UsageError('say which files to convert');
  const profile = await profileOf(values, context);
  const named = findInputFiles(positionals);
  // Named files are HL7 v2 whatever they are called or hold.
  const paths = [
    ...named.hl7v2,
    ...positionals.filter((path) => named.dicom.includes(path) || named.fhir.includes(path)),
  ];
  if (paths.length === 0) throw new UsageError('no file in there is called .hl7; name files of other names one by one');
  const { items, problems } = await openHl7Files(paths);
  let failed = problems.length > 0;
  for (const { path, problem } of problems) context.err(`anamnesis: ${path}: ${problem ?? 'could not be read'}`);
  for await (const item of items()) {
    const { report, line } = convertOne(item, (bytes) => convertHl7v2(bytes, profile, systemClock.now()));
    if (line !== undefined) context.out(line);
    const faults = report.refused ?? report.quarantined ?? [];
    failed ||= faults.length > 0;
    if (values.report) context.err(JSON.stringify(report));
    else
      for (const { code, location, text } of faults)
        context.err(`anamnesis: ${item.path}: ${location === undefined ? '' : `${location}: `}${text} (${code})`);
  }
  return failed ? EXIT.failed : EXIT.ok;
};

/** Of the file; else of the kept source; else of the settings. Throws a UsageError with all that is wrong with a file. */
async function profileOf(
  { source: name, profile: file }: { readonly source?: string | undefined; readonly profile?: string | undefined },
  context: CliContext,
): Promise<SourceProfile> {
  const config = readSettings(context);
  if (file !== undefined) {
    const parsed = parseSourceDefinition(name ?? config.source.name, readProfile(file, context.cwd), 0);
    if ('definition' in parsed) return parsed.definition.profile;
    const faults = parsed.faults.map(({ place, problem }) => `  ${place}: ${problem}`);
    throw new UsageError(['the profile is not one:', ...faults].join('\n'));
  }
  const settings = makeSourceProfile({ ...config.source, ...(name !== undefined && { name }) });
  return (name === undefined ? undefined : await keptProfile(config, name, context)) ?? settings;
}

/** The newest version in the database of the configured gateway; undefined when there is none, or no database. */
async function keptProfile(config: Config, name: string, { err }: CliContext): Promise<SourceProfile | undefined> {
  try {
    const kept = await withStoredWriter(config, ({ pool, keyring }) =>
      sourceHistory({ store: sourceStore(pool), keyring }, name),
    );
    const newest = kept.at(-1);
    const parsed = newest?.profile && parseSourceDefinition(name, newest.profile, newest.version);
    if (parsed && 'definition' in parsed) return parsed.definition.profile;
    err(`anamnesis: no source ${name} is kept; the settings are used`);
  } catch (thrown) {
    const { message } = asGatewayError(thrown);
    err(`anamnesis: the kept sources are out of reach (${message}); the settings are used`);
  }
  return undefined;
}

/** The Bundle as a line where the message would be converted. */
function convertOne(
  { path, message }: Hl7Item,
  run: (bytes: Buffer) => ConvertedMessage,
): { readonly report: Report; readonly line?: string } {
  try {
    const { bundle, details, issues } = run(message);
    const entries = Array.isArray(bundle.entry) ? bundle.entry : [];
    const resources: Record<string, number> = {};
    for (const { resource } of entries) resources[resource.resourceType] = (resources[resource.resourceType] ?? 0) + 1;
    const report: Report = {
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
        quarantined: issues.map(({ code, expression, diagnostics }) => ({
          code,
          location: expression,
          text: diagnostics,
        })),
      }),
    };
    return { report, ...(issues.length === 0 && { line: stringifyFhirJson(bundle) }) };
  } catch (thrown) {
    const error = asGatewayError(thrown);
    const { code, message: text, expression } = error;
    const faults = [{ code, ...(expression !== undefined && { location: expression }), text }];
    return { report: { file: path, notMapped: [], [isForSender(error) ? 'refused' : 'quarantined']: faults } };
  }
}
