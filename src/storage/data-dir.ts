/** The data directory: made at first start, with a mode that keeps others out and still lets the embedded Postgres through. */
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';

/**
 * Makes the directory and its parents when it is missing; an existing one is left as it is. Mode 0700; as root 0711,
 * because the embedded Postgres then runs as another account and must pass through.
 */
export function ensureDataDir(dataDir: string): void {
  if (existsSync(dataDir)) return;
  mkdirSync(dataDir, { recursive: true });
  chmodSync(dataDir, userInfo().uid === 0 ? 0o711 : 0o700);
}
