/** The version of this program, as package.json says. */
import { readFileSync } from 'node:fs';

/** Reads it; `unknown` when the manifest is not there. */
export function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
}
