/**
 * Under which account the embedded Postgres runs, and whether that account can reach a path.
 *
 * Postgres refuses to run as root. A gateway started as root therefore runs it as the owner of an existing cluster, or as
 * `nobody` for a new one. Everyone else runs it as themselves.
 */
import { readFileSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, resolve } from 'node:path';

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** What the traditional Unix systems give `nobody` where /etc/passwd does not say. */
const NOBODY: Account = { uid: 65534, gid: 65534 };

function nobody(): Account {
  try {
    const line = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
    return line ? { uid: Number(line[1]), gid: Number(line[2]) } : NOBODY;
  } catch {
    return NOBODY;
  }
}

/** The account to switch to, or undefined to stay who we are. `clusterDir` need not exist. */
export function serverAccount(clusterDir: string): Account | undefined {
  if (userInfo().uid !== 0) return undefined;
  const cluster = statSync(clusterDir, { throwIfNoEntry: false });
  return cluster !== undefined && cluster.uid !== 0 ? { uid: cluster.uid, gid: cluster.gid } : nobody();
}

/**
 * True when `account` may pass through every folder above `path` and, where `path` is a folder, through it as well. Looks
 * at the mode bits only: an access control list that allows more costs a needless copy, nothing else.
 */
export function canReach(path: string, account: Account | undefined): boolean {
  if (account === undefined) return true;
  for (let at = resolve(path); ; at = dirname(at)) {
    const stat = statSync(at, { throwIfNoEntry: false });
    if (stat?.isDirectory() === true) {
      const bit = stat.uid === account.uid ? 0o100 : stat.gid === account.gid ? 0o010 : 0o001;
      if ((stat.mode & bit) === 0) return false;
    }
    if (at === dirname(at)) return true;
  }
}
