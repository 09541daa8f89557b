// CPU time and memory of a subject, from /proc: its node process, and the Postgres below it with all its backends. Elsewhere
// than on Linux there are no such figures, and the table says so.
import { readdirSync, readFileSync } from 'node:fs';

/** Ticks of /proc/PID/stat are 1/100 s on every Linux that Node runs on. */
const TICK_US = 10_000;

function stat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const name = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'));
    const [, parent, ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [own, system, children, childrenSystem] = fields.slice(9, 13).map(Number);
    return {
      pid,
      name,
      parent: Number(parent),
      own: (own + system) * TICK_US,
      reaped: (children + childrenSystem) * TICK_US,
    };
  } catch {
    return undefined;
  }
}

function kilobytes(pid, file, field) {
  try {
    return Number(
      new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))?.[1] ?? 0,
    );
  } catch {
    return 0;
  }
}

/** Microseconds of CPU and bytes of memory so far; undefined where there is no /proc. Postgres counts shared memory once. */
export function usageOf(pid) {
  const node = stat(pid);
  if (node === undefined) return undefined;
  const all = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => stat(Number(entry)));
  const postmasters = all.filter((entry) => entry?.parent === pid && entry.name === 'postgres');
  const backends = all.filter((entry) => postmasters.some((postmaster) => entry?.parent === postmaster.pid));
  const server = [...postmasters, ...backends];
  return {
    nodeCpu: node.own,
    postgresCpu:
      server.reduce((sum, { own }) => sum + own, 0) + postmasters.reduce((sum, { reaped }) => sum + reaped, 0),
    nodeBytes: 1024 * kilobytes(pid, 'status', 'VmRSS'),
    postgresBytes: 1024 * server.reduce((sum, { pid: each }) => sum + kilobytes(each, 'smaps_rollup', 'Pss'), 0),
  };
}

/** Samples memory until `end()`, which returns CPU microseconds since the start and the largest memory seen. */
export function watchUsage(pid) {
  const from = usageOf(pid);
  const peak = { nodeBytes: 0, postgresBytes: 0 };
  const look = () => {
    const now = usageOf(pid);
    for (const key of Object.keys(peak)) peak[key] = Math.max(peak[key], now?.[key] ?? 0);
    return now;
  };
  const timer = setInterval(look, 1000);
  return {
    end() {
      clearInterval(timer);
      const now = look();
      if (from === undefined || now === undefined) return undefined;
      return { nodeCpu: now.nodeCpu - from.nodeCpu, postgresCpu: now.postgresCpu - from.postgresCpu, ...peak };
    },
  };
}
