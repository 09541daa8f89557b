/**
 * Formats: FHIR JSON is the one that is spoken. Another `Accept` or `_format` is a 406, another `Content-Type` a 415; never a
 * silent JSON answer to somebody who asked for XML.
 */
import { GatewayError } from '../../../core/errors.ts';
import type { Parameters } from './call.ts';

export const FHIR_JSON = 'application/fhir+json';

const ACCEPTED = new Set(['application/fhir+json', 'application/json', 'application/*', '*/*', 'text/json']);
const FORMATS = new Set(['json', 'application/json', 'application/fhir+json', 'text/json']);
/** The only FHIR version served; a request for another is refused. */
const VERSION = '4.0';

interface Range {
  readonly media: string;
  readonly parameters: ReadonlyMap<string, string>;
}

function parseRange(text: string): Range {
  const [media = '', ...rest] = text.split(';').map((part) => part.trim());
  const parameters = rest.map((part): [string, string] => {
    const at = part.indexOf('=');
    return [
      part.slice(0, at).trim().toLowerCase(),
      part
        .slice(at + 1)
        .trim()
        .replaceAll('"', ''),
    ];
  });
  return { media: media.toLowerCase(), parameters: new Map(parameters) };
}

/** Takes `_format` and `_pretty` out of the query, after checking that JSON is what is asked for. */
export function withoutFormat(query: Parameters): Parameters {
  if (!query.some(([name]) => name === '_format' || name === '_pretty')) return query;
  return query.filter(([name, value]) => {
    if (name === '_pretty') throw new GatewayError('not-supported', 'the parameter _pretty is not supported');
    if (name !== '_format') return true;
    const { media } = parseRange(value.replace('fhir json', 'fhir+json'));
    if (!FORMATS.has(media)) throw new GatewayError('not-acceptable', '_format: only json is served');
    return false;
  });
}

/** `fromFormat`: the query has already chosen the format, which then overrides the header. Throws `not-acceptable`. */
export function checkAccept(accept: string | undefined, fromFormat: boolean): void {
  if (accept === undefined || accept === '*/*' || accept === FHIR_JSON || fromFormat) return;
  for (const text of accept.split(',')) {
    const { media, parameters } = parseRange(text);
    if (Number(parameters.get('q') ?? 1) === 0) continue;
    if (ACCEPTED.has(media) && (parameters.get('fhirversion') ?? VERSION) === VERSION) return;
  }
  throw new GatewayError('not-acceptable', 'only application/fhir+json of FHIR 4.0 is served');
}

/** Throws `unsupported-media-type` for anything but UTF-8 JSON, or `form` where a form is allowed. */
export function checkContentType(contentType: string | undefined, allowed: 'json' | 'form'): void {
  const { media, parameters } = parseRange(contentType ?? '');
  const fits =
    allowed === 'form'
      ? media === 'application/x-www-form-urlencoded'
      : media === 'application/fhir+json' || media === 'application/json';
  if (!fits) {
    const wanted = allowed === 'form' ? 'application/x-www-form-urlencoded' : 'application/fhir+json';
    throw new GatewayError('unsupported-media-type', `the body must be ${wanted}`);
  }
  const charset = parameters.get('charset')?.toLowerCase() ?? 'utf-8';
  if (charset !== 'utf-8' && charset !== 'utf8') {
    throw new GatewayError('unsupported-media-type', 'the body must be UTF-8');
  }
  if ((parameters.get('fhirversion') ?? VERSION) !== VERSION) {
    throw new GatewayError('unsupported-media-type', 'only FHIR 4.0 is spoken');
  }
}

/** True for a body that is a resource, also of a Binary. */
export function isFhirJson(contentType: string): boolean {
  const { media } = parseRange(contentType);
  return media === 'application/fhir+json' || media === 'application/json';
}

const MEDIA_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/;

/** Type and subtype of a Content-Type, in lower case; undefined when it has none. */
export function mediaTypeOf(contentType: string): string | undefined {
  const { media } = parseRange(contentType);
  return MEDIA_TYPE.test(media) ? media : undefined;
}

/** True when a reader of a Binary wants the resource: by name, not by a wildcard, which takes the content as it is. */
export function asksForFhir(accept: string | undefined, fromFormat: boolean): boolean {
  return fromFormat || ranges(accept).some(({ media }) => FORMATS.has(media));
}

/** True when content of this media type may be sent. */
export function takesMedia(accept: string | undefined, contentType: string): boolean {
  const media = mediaTypeOf(contentType) ?? '';
  const wanted = ranges(accept).map((range) => range.media);
  const [main] = media.split('/');
  return wanted.length === 0 || wanted.some((range) => range === '*/*' || range === media || range === `${main}/*`);
}

function ranges(accept: string | undefined): readonly Range[] {
  if (accept === undefined || accept.trim() === '') return [];
  return accept
    .split(',')
    .map(parseRange)
    .filter(({ parameters }) => Number(parameters.get('q') ?? 1) !== 0);
}
