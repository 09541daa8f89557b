/**
 * `anamnesis send`: what a source would send, to the configured gateway or another: `.hl7` by MLLP, DICOM files and folders by
 * C-STORE, FHIR JSON by HTTP. A bar while it works, a summary of the acknowledgements, exit code 1 if any was refused.
 */
import type { ConnectionOptions } from 'node:tls';
import { parseArgs } from 'node:util';
import type { Config, ListenerConfig } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { systemRandom } from '../core/random.ts';
import { issueToken } from '../identity/sign-token.ts';
import { clientCertificate } from './client-certificate.ts';
import { EXIT, UsageError, type CliContext, type Command } from './command.ts';
import { openHl7Files } from './hl7v2-files.ts';
import { findInputFiles } from './input-files.ts';
import { keyProvider } from './keys.ts';
import { httpBase, listenerAddress, type Address, type ClientCertificate } from './own-listeners.ts';
import { progressBar } from './progress.ts';
import { sendDicom } from './send-dicom.ts';
import { sendFhir } from './send-fhir.ts';
import { sendHl7v2 } from './send-hl7v2.ts';
import { summary, type Sent } from './sent.ts';
import { readSettings } from './settings.ts';

/** Longest wait for one acknowledgement. */
const ANSWER_MS = 120_000;

/** Seconds for which the token that is made for a run is valid: a folder of images takes its time. */
const TOKEN_TTL = 12 * 3600;

interface Options {
  readonly token: string | undefined;
  readonly fhir: string | undefined;
  readonly mllp: string | undefined;
  readonly dicom: string | undefined;
  /** What the sender shows where clients must show a certificate. */
  readonly client: ClientCertificate | undefined;
}

export const send: Command = async (args, context) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      token: { type: 'string' },
      fhir: { type: 'string' },
      mllp: { type: 'string' },
      dicom: { type: 'string' },
      cert: { type: 'string' },
      key: { type: 'string' },
    },
  });
  if (positionals.length === 0) throw new UsageError('send needs files or folders');
  const { token, fhir, mllp, dicom } = values;
  const options: Options = { token, fhir, mllp, dicom, client: clientCertificate(values, context.cwd) };
  const config = readSettings(context);
  const files = findInputFiles(positionals);
  let refused = 0;
  const run = async (
    protocol: string,
    total: number,
    sending: AsyncIterable<Sent>,
    before: readonly Sent[] = [],
  ): Promise<void> => {
    const sent = [...before, ...(await collect(protocol, total, sending))];
    if (sent.length === 0) return;
    for (const line of summary(protocol, sent)) context.out(line);
    refused += sent.filter((one) => !one.accepted).length;
  };
  if (files.hl7v2.length > 0) {
    const { count, items, problems } = await openHl7Files(files.hl7v2);
    const peer = { ...addressOf(options.mllp, config.mllp, '--mllp', options.client), timeoutMs: ANSWER_MS };
    await run('MLLP', count, sendHl7v2(peer, items()), problems);
  }
  if (files.dicom.length > 0) {
    const address = addressOf(options.dicom, config.dicom, '--dicom', options.client);
    const peer = { ...address, calledAe: config.aeTitle, callingAe: 'ANAMNESIS-SEND', timeoutMs: ANSWER_MS };
    await run('C-STORE', files.dicom.length, sendDicom(peer, files.dicom));
  }
  if (files.fhir.length > 0) {
    const token = options.token ?? (await ownToken(config, context));
    const peer = { ...fhirAddress(options.fhir, config, options.client), token };
    await run('FHIR', files.fhir.length, sendFhir(peer, files.fhir));
  }
  if (files.skipped.length > 0)
    context.out(`skipped: ${files.skipped.length} files that are neither HL7 v2, DICOM nor FHIR JSON`);
  return refused === 0 ? EXIT.ok : EXIT.failed;
};

async function collect(protocol: string, total: number, sending: AsyncIterable<Sent>): Promise<Sent[]> {
  const sent: Sent[] = [];
  const bar = progressBar(process.stderr, total, () => systemClock.now());
  let refused = 0;
  try {
    for await (const one of sending) {
      sent.push(one);
      if (!one.accepted) refused += 1;
      bar.update(sent.length, refused === 0 ? protocol : `${protocol}, ${refused} refused`);
    }
  } finally {
    bar.end();
  }
  return sent;
}

/** Where to send: `host:port` of the option (TLS where there is a certificate to show), else the configured listener. */
function addressOf(
  option: string | undefined,
  listener: ListenerConfig,
  name: string,
  client?: ClientCertificate,
): Address {
  if (option !== undefined) {
    const match = /^(.+):(\d{1,5})$/.exec(option);
    if (match === null) throw new UsageError(`${name} takes host:port`);
    const tls = client === undefined ? {} : { tls: client };
    return { host: match[1].replace(/^\[|\]$/g, ''), port: Number(match[2]), ...tls };
  }
  return listenerAddress(listener, `${name} host:port`, client);
}

/** The FHIR base, and for a configured TLS listener the certificate that it shows, which need not be a public one. */
function fhirAddress(
  option: string | undefined,
  config: Config,
  client: ClientCertificate | undefined,
): { readonly base: string; readonly tls?: ConnectionOptions } {
  const shown = client === undefined ? {} : { tls: client };
  if (option !== undefined) return { base: option.replace(/\/+$/, ''), ...shown };
  if (config.publicUrl !== undefined) return { base: `${config.publicUrl}/fhir`, ...shown };
  const { base, tls } = httpBase(config, '--fhir URL', client);
  return { base: `${base}/fhir`, ...(tls && { tls }) };
}

/** A token of the built-in issuer for the role `system`; needs the key file. */
async function ownToken(config: Config, { err }: CliContext): Promise<string> {
  try {
    const { keySet } = await keyProvider(config).load({ create: false });
    const issuer = { origin: config.origin, audience: config.tokenAudience, key: keySet.issuer };
    const request = { role: 'system', subject: 'anamnesis-send', ttlSeconds: TOKEN_TTL };
    return await issueToken(issuer, request, systemClock, systemRandom);
  } catch (thrown) {
    err('FHIR needs a token: give one by --token, or let the key file be readable');
    throw thrown;
  }
}
