/** `--cert FILE --key FILE`: what a command shows to a listener that asks its clients for a certificate. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { UsageError } from './command.ts';
import type { ClientCertificate } from './own-listeners.ts';

/** Throws a UsageError for one without the other, and for files that cannot be read. */
export function clientCertificate(
  { cert, key }: { readonly cert?: string | undefined; readonly key?: string | undefined },
  cwd: string,
): ClientCertificate | undefined {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) throw new UsageError('--cert and --key go together');
  try {
    return { cert: readFileSync(resolve(cwd, cert)), key: readFileSync(resolve(cwd, key)) };
  } catch {
    throw new UsageError('the files of --cert and --key cannot be read');
  }
}
