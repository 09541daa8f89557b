/** Query strings and form bodies (application/x-www-form-urlencoded), decoded strictly. */
import { GatewayError } from '../../core/errors.ts';
import type { Parameters } from './fhir/call.ts';

/** Parameters of one request at most; a longer list is an attack or a mistake. */
const MAX_PARAMETERS = 256;

/** Names and values in their order. Throws `invalid-syntax` for bytes that are not UTF-8, `too-costly` for too many. */
export function parseQueryString(text: string): Parameters {
  if (text === '') return [];
  const parts = text.split('&').filter((part) => part !== '');
  if (parts.length > MAX_PARAMETERS) {
    throw new GatewayError('too-costly', `a request takes at most ${MAX_PARAMETERS} parameters`);
  }
  return parts.map((part) => {
    const at = part.indexOf('=');
    return at < 0 ? [decode(part), ''] : [decode(part.slice(0, at)), decode(part.slice(at + 1))];
  });
}

function decode(text: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new GatewayError('invalid-syntax', 'the query has a percent escape that is not UTF-8');
  }
  if (decoded.includes('\u0000')) throw new GatewayError('invalid-syntax', 'the query has a NUL character');
  return decoded;
}
