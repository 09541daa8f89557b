/**
 * Candidates of a search in one order, newest sort time first: several scans of the blind index (branches of a plan, in the
 * index of each patient) merged, rows that name the same sealed group at the same time joined. Only narrows; decides nothing.
 */
import { groupNumber, leafOfGroup, ordinalOfGroup, type GroupNumber, type LeafIndex } from '../core/ids.ts';
import type { Candidate, RecordStore, TokenScan } from './record-store.ts';

export interface CandidateRow {
  readonly sortTime: number;
  readonly group: GroupNumber;
  /** Bit n for line n. */
  readonly mask: bigint;
  readonly lockbox: LeafIndex;
  readonly body: Buffer;
}

/** Where to go on: rows at and after this place, and in its own group only lines above. */
export interface ScanPlace {
  readonly sortTime: number;
  readonly group: GroupNumber;
  readonly line: number;
}

/** One scan without its place, size and limit. */
export type ScanShape = Pick<TokenScan, 'lists' | 'from' | 'to'>;

interface Source {
  readonly shape: ScanShape;
  rows: readonly Candidate[];
  at: number;
  after: { readonly sortTime: number; readonly group: GroupNumber } | undefined;
  ended: boolean;
}

export interface CandidateStream {
  /** The next rows, at most `limit`; empty at the end. Errors: `unavailable`, `timeout`. */
  next(limit: number): Promise<readonly CandidateRow[]>;
}

/** A stream over all shapes, as the log was at `size`, from `place` on. */
export function candidateStream(
  records: RecordStore,
  shapes: readonly ScanShape[],
  size: number,
  place: ScanPlace | undefined,
): CandidateStream {
  // A scan goes on strictly after a group; the group in which the page ended must come once more.
  const after = place === undefined ? undefined : { sortTime: place.sortTime, group: nextGroup(place.group) };
  const sources = shapes.map((shape): Source => ({ shape, rows: [], at: 0, after, ended: false }));

  async function fill(source: Source, limit: number): Promise<void> {
    const { shape, after: from } = source;
    source.rows = await records.scan({ ...shape, size, limit, ...(from === undefined ? {} : { after: from }) });
    source.at = 0;
    source.ended = source.rows.length < limit;
    source.after = source.rows.at(-1) ?? source.after;
  }

  return {
    async next(limit) {
      const out: CandidateRow[] = [];
      while (out.length < limit) {
        // A source that has run dry is filled before the merge goes on, or later rows would overtake its next ones.
        const empty = sources.filter((source) => source.at === source.rows.length && !source.ended);
        if (empty.length > 0) await Promise.all(empty.map((source) => fill(source, limit)));
        const row = takeFirst(sources);
        if (row === undefined) break;
        const mask = maskAfter(row, place);
        if (mask !== 0n) out.push({ ...row, mask });
      }
      return out;
    },
  };
}

function nextGroup(group: GroupNumber): GroupNumber {
  return groupNumber(leafOfGroup(group), ordinalOfGroup(group) + 1);
}

/** The first row of all sources in order, with the masks of all that name the same group at the same time. */
function takeFirst(sources: readonly Source[]): CandidateRow | undefined {
  let first: Candidate | undefined;
  for (const { rows, at } of sources) {
    const row = rows[at];
    if (row !== undefined && (first === undefined || before(row, first))) first = row;
  }
  if (first === undefined) return undefined;
  let mask = 0n;
  for (const source of sources) {
    const row = source.rows[source.at];
    if (row !== undefined && row.sortTime === first.sortTime && row.group === first.group) {
      mask |= row.mask;
      source.at += 1;
    }
  }
  return { ...first, mask };
}

function before(a: Candidate, b: Candidate): boolean {
  return a.sortTime > b.sortTime || (a.sortTime === b.sortTime && a.group > b.group);
}

function maskAfter(row: CandidateRow, place: ScanPlace | undefined): bigint {
  if (place === undefined || row.sortTime !== place.sortTime || row.group !== place.group) return row.mask;
  const done = (1n << BigInt(place.line + 1)) - 1n;
  return row.mask & ~done;
}
