/** A file system of a few hundred megabytes that a test can fill: tmpfs, which only root can mount, on Linux. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
  readonly path: string;
  /** Bytes that are free. */
  free(): number;
  /** Takes all space but so many bytes. */
  fill(leave: number): void;
  /** Gives that space back. */
  empty(): void;
  close(): void;
}

/** Undefined where nothing can be mounted. */
export function openSmallDisk(megabytes: number): SmallDisk | undefined {
  const root = mkdtempSync(join(tmpdir(), 'anamnesis-small-'));
  // The account of an embedded Postgres passes through.
  chmodSync(root, 0o755);
  const path = join(root, 'disk');
  mkdirSync(path);
  const options = `size=${megabytes}m,mode=0755`;
  const mounted =
    process.getuid?.() === 0 && spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]).status === 0;
  const unmount = (): void => {
    if (mounted) spawnSync('umount', ['-l', path]);
    rmSync(root, { recursive: true, force: true });
  };
  if (!mounted) {
    unmount();
    return undefined;
  }
  process.once('exit', unmount);
  const filler = join(path, 'filler');
  const free = (): number => {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  };
  return {
    path,
    free,
    fill(leave) {
      const bytes = Math.max(0, free() - leave);
      writeFileSync(filler, Buffer.alloc(bytes, 1));
    },
    empty: () => rmSync(filler, { force: true }),
    close() {
      process.off('exit', unmount);
      unmount();
    },
  };
}
