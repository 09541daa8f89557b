// Index tokens of the baseline: the same parts as the product's, hashed to 64 bits without a key, by two rounds of FNV-1a.
import { indexEntries } from '../../dist/search/extract.js';

/** A signed 64-bit number for the parts; `scope` keeps the tokens of patients apart. */
export function tokenOf(scope, parts) {
  const text = scope + parts.join('\u0000');
  let low = 0x811c9dc5;
  let high = 0xc9dc5118;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ (code + i), 0x01000193);
  }
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

/** Tokens and sort time of a resource: across patients, and within the patient that it belongs to. */
export function tokensOf(resource, patient) {
  const { sortTime, gateway, patient: own } = indexEntries(resource);
  const tokens = gateway.map((parts) => tokenOf('', parts));
  for (const parts of own) tokens.push(tokenOf(patient, parts));
  return { sortTime, tokens };
}
