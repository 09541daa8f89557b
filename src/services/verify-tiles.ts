/**
 * The tile part of `anamnesis verify`: builds every full tile again while the leaves pass by and compares it with the
 * stored one. Keeps at most 255 hashes and a page of stored tiles for each level.
 */
import { recursiveRoot } from '../ledger/independent-tree.ts';
import type { Fault, FaultKind } from '../ledger/verify.ts';
import type { LedgerSource, TileRow } from './verify-source.ts';

const WIDTH = 256;
const BYTES = WIDTH * 32;
/** Stored tiles read at once: 256 KiB. */
const PAGE = 32;
/** 256^8 leaves are more than a leaf index can say. */
const LEVELS = 8;

/** A hash of the tree, and another one that a fault reported elsewhere would explain in its place. */
interface Passing {
  readonly hash: Uint8Array;
  readonly alternate: Uint8Array | undefined;
}

interface Level {
  /** Hashes of the tile that is not full yet. */
  hashes: Passing[];
  /** Tiles that were full. */
  full: number;
  page: readonly TileRow[];
  /** Last tile index that `page` can answer for. */
  known: number;
}

/** Compares stored tiles with the tree as it passes by. */
export class TileChecker {
  /** Full tiles that were compared. */
  checked = 0;
  private readonly levels: Level[] = Array.from({ length: LEVELS }, () => ({
    hashes: [],
    full: 0,
    page: [],
    known: -1,
  }));
  private readonly source: LedgerSource;
  private readonly fault: (kind: FaultKind, where: Omit<Fault, 'kind'>) => void;

  constructor(source: LedgerSource, fault: (kind: FaultKind, where: Omit<Fault, 'kind'>) => void) {
    this.source = source;
    this.fault = fault;
  }

  /** What the stored tile, if there is a whole one, says about a leaf: its hash, 32 bytes. */
  async claimed(leaf: number): Promise<Uint8Array | undefined> {
    const tile = await this.stored(0, Math.floor(leaf / WIDTH));
    const at = (leaf % WIDTH) * 32;
    return tile?.hashes.length === BYTES ? tile.hashes.subarray(at, at + 32) : undefined;
  }

  /**
   * Takes the hash of the next leaf. A tile that has `alternate` in its place is no fault: the leaf's document was changed,
   * which is reported with the document.
   */
  async push(hash: Uint8Array, alternate: Uint8Array | undefined): Promise<void> {
    await this.pushAt(0, { hash, alternate });
  }

  /** After the last leaf: nothing may be stored beyond what is full. */
  async end(): Promise<void> {
    for (const [level, { full }] of this.levels.entries()) {
      const [extra] = await this.source.tiles(level, full, 1);
      if (extra !== undefined) this.fault('tile-unexpected', { tile: `${level}/${extra.index}` });
    }
  }

  /** The stored tile; asks for a page only when the indexes, which only rise, have left the last one. */
  private async stored(level: number, index: number): Promise<TileRow | undefined> {
    const state = this.levels[level];
    if (index > state.known) {
      state.page = await this.source.tiles(level, index, PAGE);
      state.known = state.page.length < PAGE ? Infinity : (state.page.at(-1)?.index ?? Infinity);
    }
    return state.page.find((tile) => tile.index === index);
  }

  private async pushAt(level: number, hash: Passing): Promise<void> {
    const state = this.levels[level];
    state.hashes.push(hash);
    if (state.hashes.length < WIDTH || level === LEVELS - 1) return;
    const { hashes, full: index } = state;
    state.hashes = [];
    state.full += 1;
    this.checked += 1;
    const tile = `${level}/${index}`;
    const stored = (await this.stored(level, index))?.hashes;
    const root = recursiveRoot(hashes.map((passing) => passing.hash));
    const differing = stored === undefined ? [] : differences(stored, hashes);
    if (stored === undefined) this.fault('tile-missing', { tile });
    else if (stored.length !== BYTES) this.fault('tile-mismatch', { tile });
    else {
      const unexplained = differing.find(({ explained }) => !explained);
      const leaf = level === 0 && unexplained !== undefined ? { leaf: index * WIDTH + unexplained.at } : {};
      if (unexplained !== undefined) this.fault('tile-mismatch', { tile, ...leaf });
    }
    const alternate = stored?.length === BYTES && differing.length > 0 ? recursiveRoot(split(stored)) : undefined;
    await this.pushAt(level + 1, { hash: root, alternate });
  }
}

function split(tile: Buffer): Buffer[] {
  return Array.from({ length: WIDTH }, (_, at) => tile.subarray(at * 32, (at + 1) * 32));
}

/** Where a stored tile (of whatever length) is not what passed by, and whether another reported fault explains it. */
function differences(stored: Buffer, hashes: readonly Passing[]): { at: number; explained: boolean }[] {
  const found: { at: number; explained: boolean }[] = [];
  for (const [at, { hash, alternate }] of hashes.entries()) {
    const there = stored.subarray(at * 32, (at + 1) * 32);
    if (there.equals(hash)) continue;
    found.push({ at, explained: alternate !== undefined && there.equals(alternate) });
  }
  return found;
}
