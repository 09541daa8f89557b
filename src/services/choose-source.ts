/**
 * The rules by which a message finds its source (docs/sources.md): the sender in MSH-3 and MSH-4, the certificate of the
 * connection, the facilities and processing ids that the source may use. Pure.
 */
import { GatewayError } from '../core/errors.ts';
import type { AckHeader } from '../formats/hl7v2/ack.ts';
import type { BoundClient, SenderPattern, SourceDefinition } from '../normalize/hl7v2/source-definition.ts';
import type { ChosenSource, ClientCertificate } from './sources.ts';

/** What happens to messages of senders that no source names. */
export type UnknownSources = 'default' | 'quarantine' | 'refuse';

export interface SourceRules {
  /** Every source that stands, but the default one. */
  readonly definitions: readonly SourceDefinition[];
  /** The source of the settings, or the kept one of its name. */
  readonly fallback: SourceDefinition;
  readonly unknown: UnknownSources;
  /** True: a certificate that no source binds may send for those that bind none. */
  readonly unboundClients: boolean;
}

export function chooseSource(
  rules: SourceRules,
  header: AckHeader,
  client: ClientCertificate | undefined,
): ChosenSource {
  const { definitions, fallback } = rules;
  const all = [...definitions, fallback];
  const bound = client === undefined ? [] : all.filter(({ clients }) => binds(clients, client));
  if (client !== undefined && bound.length === 0 && !rules.unboundClients) {
    return not(fallback, 'no source names the certificate of this connection; `anamnesis sources set` binds one');
  }
  const allowed = bound.length > 0 ? bound : all.filter(({ clients }) => clients.length === 0);
  const known = best(
    allowed.filter((one) => one !== fallback),
    header,
  );
  if (known !== undefined) return taken(known, header);
  if (bound.includes(fallback)) return taken(fallback, header);
  if (bound.length > 0)
    return not(
      fallback,
      'no source that names the certificate of this connection matches this sender (MSH-3, MSH-4); `anamnesis sources show` has its `match`',
    );
  if (best(definitions.filter(isNamed), header) !== undefined) {
    return not(fallback, 'the source of this message sends over connections with its own certificate only');
  }
  return unknown(rules, header, allowed.includes(fallback));
}

/**
 * The source of a message that is kept already: the one it came from, where that stands, whatever certificates it is bound to now;
 * else the one that its sender fits. `source`: name of the one that it came from.
 */
export function chooseKeptSource(rules: SourceRules, header: AckHeader, source: string | undefined): ChosenSource {
  const { definitions } = rules;
  const known = definitions.find(({ profile }) => profile.name === source) ?? best(definitions.filter(isNamed), header);
  return known === undefined ? unknown(rules, header, true) : taken(known, header);
}

/** No source says that it is the sender. */
function unknown({ unknown: what, fallback }: SourceRules, header: AckHeader, mayTake: boolean): ChosenSource {
  if (what === 'default' && mayTake) return taken(fallback, header);
  const refused = not(fallback, 'no source is known by MSH-3 and MSH-4; `anamnesis sources set` makes one');
  return what === 'quarantine' ? { ...refused, quarantine: true } : refused;
}

function isNamed({ match }: SourceDefinition): boolean {
  return match.length > 0;
}

/** The source whose sender fits best: more letters first, then without wildcards, then by name. */
function best(definitions: readonly SourceDefinition[], header: AckHeader): SourceDefinition | undefined {
  let found: { readonly definition: SourceDefinition; readonly weight: number } | undefined;
  for (const definition of definitions) {
    const weight = weightOf(definition, header);
    if (weight === undefined || (found !== undefined && found.weight > weight)) continue;
    if (found?.weight === weight && found.definition.profile.name < definition.profile.name) continue;
    found = { definition, weight };
  }
  return found?.definition;
}

/** How exactly a source names the sender; undefined when it does not. One that is bound and names none takes all. */
function weightOf({ match, clients }: SourceDefinition, header: AckHeader): number | undefined {
  if (match.length === 0) return clients.length > 0 ? 0 : undefined;
  const weights = match.filter((pattern) => fits(pattern, header)).map(patternWeight);
  return weights.length === 0 ? undefined : Math.max(...weights);
}

function patternWeight({ application = '*', facility = '*' }: SenderPattern): number {
  return [application, facility].reduce(
    (sum, text) => sum + 2 * text.replaceAll('*', '').length + (text.includes('*') ? 0 : 1),
    1,
  );
}

function fits({ application, facility }: SenderPattern, header: AckHeader): boolean {
  return (
    (application === undefined || names(application, header.sendingApplication, header)) &&
    (facility === undefined || names(facility, header.sendingFacility, header))
  );
}

/** True when the pattern fits the namespace or the universal id of an HD. */
function names(pattern: string, raw: string, header: AckHeader): boolean {
  const [namespace = '', universalId = ''] = raw.split(header.encoding[0]).map((part) => part.trim());
  return [namespace, universalId].some((text) => text !== '' && like(pattern, text));
}

/** `*` stands for any text, also for none. Linear in the text for each star. */
function like(pattern: string, text: string): boolean {
  const [first, ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === text;
  if (!text.startsWith(first)) return false;
  const last = rest.pop() ?? '';
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

function binds(clients: readonly BoundClient[], client: ClientCertificate): boolean {
  return clients.some((bound) =>
    'fingerprint' in bound ? bound.fingerprint === client.fingerprint : bound.subject === client.subject,
  );
}

/** The source takes the message, if it may send such a one. */
function taken(definition: SourceDefinition, header: AckHeader): ChosenSource {
  const { profile, acknowledgement, facilities, processingIds } = definition;
  const chosen = { profile, acknowledgement };
  if (facilities !== undefined && !facilities.some((facility) => names(facility, header.sendingFacility, header))) {
    const refused = new GatewayError('forbidden', 'this source may not send for the facility in MSH-4', {
      expression: 'MSH-4',
    });
    return { ...chosen, refused };
  }
  const [id] = header.processingId.split(header.encoding[0]);
  if (processingIds !== undefined && !processingIds.some((known) => known === id)) {
    const refused = new GatewayError(
      'unsupported-processing-id',
      `of this source messages of the processing ids ${processingIds.join(', ')} are taken (MSH-11)`,
      { expression: 'MSH-11' },
    );
    return { ...chosen, refused };
  }
  return chosen;
}

function not({ profile, acknowledgement }: SourceDefinition, text: string): ChosenSource {
  return { profile, acknowledgement, refused: new GatewayError('forbidden', text, { expression: 'MSH-3' }) };
}
