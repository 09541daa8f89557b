/**
 * Binary over REST (http://hl7.org/fhir/R4/binary.html#rest): its bytes by their own media type, whole or one range; the
 * resource with base64 `data` for who asks for FHIR; raw bodies taken, with their patient in `X-Security-Context`.
 */
import { GatewayError } from '../../../core/errors.ts';
import { BINARY_JSON_MAX_BYTES } from '../../../core/limits.ts';
import { parseReference } from '../../../formats/fhir/references.ts';
import type { StoredResource } from '../../../formats/fhir/resource.ts';
import { readBinary, type BinaryBytes, type BinaryDeps } from '../../../services/read-binary.ts';
import type { Answer, Call, Handler } from './call.ts';
import { refuseParameters } from './call.ts';
import { isKnown, versionHeaders } from './headers.ts';
import { asksForFhir, mediaTypeOf, takesMedia } from './negotiate.ts';

const CONTEXT = 'X-Security-Context';

/** read and vread of a Binary. */
export function readBinaryContent(deps: BinaryDeps): Handler {
  return async (call) => {
    refuseParameters(call);
    const versionId = call.version === '' ? undefined : call.version;
    const { resource, group, content } = await readBinary(deps, call, versionId);
    const headers = versionHeaders(resource.meta, group);
    if (isKnown(call, resource)) return { status: 304, headers };
    if (asksForFhir(call.header('accept'), call.fhirFormat)) return asResource(resource, content, headers);
    return asBytes(call, resource, content, headers);
  };
}

async function asResource(
  resource: StoredResource,
  content: BinaryBytes,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  if (content.size > BINARY_JSON_MAX_BYTES) {
    throw new GatewayError(
      'not-acceptable',
      `a Binary has at most ${BINARY_JSON_MAX_BYTES} bytes as a resource; ask for this one by its own media type`,
    );
  }
  const pieces: Buffer[] = [];
  for await (const piece of content.open()) pieces.push(piece);
  if (content.size === 0) return { status: 200, headers, body: resource };
  return { status: 200, headers, body: { ...resource, data: Buffer.concat(pieces).toString('base64') } };
}

function asBytes(
  call: Call,
  resource: StoredResource,
  content: BinaryBytes,
  headers: Readonly<Record<string, string>>,
): Answer {
  const contentType = contentTypeOf(resource);
  if (!takesMedia(call.header('accept'), contentType)) {
    throw new GatewayError('not-acceptable', 'the content has another media type than the request accepts');
  }
  const context = contextOf(resource);
  const all = {
    ...headers,
    'Content-Type': contentType,
    'Accept-Ranges': 'bytes',
    // What a sender calls HTML is not run in the name of this gateway.
    'Content-Security-Policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
    ...(context === undefined ? {} : { [CONTEXT]: context }),
  };
  const range = rangeOf(call.header('range'), content.size);
  if (range === 'none') {
    return { status: 416, headers: { ...all, 'Content-Range': `bytes */${content.size}` } };
  }
  if (range === undefined) {
    return { status: 200, headers: { ...all, 'Content-Length': String(content.size) }, stream: content.open() };
  }
  const { start, end } = range;
  const partial = {
    'Content-Length': String(end - start),
    'Content-Range': `bytes ${start}-${end - 1}/${content.size}`,
  };
  return { status: 206, headers: { ...all, ...partial }, stream: content.open(range) };
}

/** What may stand in a header; anything else is bytes. */
function contentTypeOf({ contentType }: StoredResource): string {
  return typeof contentType === 'string' && mediaTypeOf(contentType) !== undefined && /^[ -~]+$/.test(contentType)
    ? contentType
    : 'application/octet-stream';
}

function contextOf({ securityContext }: StoredResource): string | undefined {
  if (typeof securityContext !== 'object' || securityContext === null || !('reference' in securityContext)) return;
  const { reference } = securityContext;
  return typeof reference === 'string' && /^[!-~]+$/.test(reference) ? reference : undefined;
}

/** The one range that is asked for (RFC 9110 section 14); undefined: the whole, also for several ranges. */
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | 'none' | undefined {
  const match = /^bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))$/.exec(header ?? '');
  if (match === null) return undefined;
  const [, first, last, suffix] = match;
  const start = suffix === undefined ? Number(first) : Math.max(0, size - Number(suffix));
  const end = last === undefined || last === '' ? size : Math.min(size, Number(last) + 1);
  return start >= end ? 'none' : { start, end };
}

/** A raw body as the Binary that it stands for. Throws `required-missing` without a patient. */
export function binaryOf(call: Pick<Call, 'header' | 'id'>, bytes: Buffer): object {
  const contentType = call.header('content-type') ?? '';
  if (mediaTypeOf(contentType) === undefined) {
    throw new GatewayError('unsupported-media-type', 'the body of a Binary needs a media type');
  }
  const reference = call.header(CONTEXT.toLowerCase());
  const patient = reference === undefined ? undefined : parseReference(reference);
  if (patient?.type !== 'Patient' || !patient.local) {
    throw new GatewayError('required-missing', `a raw Binary names its patient in ${CONTEXT}, as Patient/<id>`, {
      expression: 'Binary.securityContext',
    });
  }
  return {
    resourceType: 'Binary',
    ...(call.id === '' ? {} : { id: call.id }),
    contentType,
    securityContext: { reference: `Patient/${patient.id}` },
    ...(bytes.length === 0 ? {} : { data: bytes.toString('base64') }),
  };
}
