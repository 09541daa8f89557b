/** A row at a time from paged reads in ascending key order: what lets two tables be walked side by side in little memory. */

/** One pass over the rows of a table. `fetch` returns rows whose key is `from` or above, ascending; empty at the end. */
export class RowCursor<Row> {
  private page: readonly Row[] = [];
  private at = 0;
  /** Key from which the next page is asked; undefined after the last page. */
  private next: number | undefined = 0;
  private readonly fetch: (from: number) => Promise<readonly Row[]>;
  private readonly key: (row: Row) => number;

  constructor(fetch: (from: number) => Promise<readonly Row[]>, key: (row: Row) => number) {
    this.fetch = fetch;
    this.key = key;
  }

  /** The next row without taking it; undefined at the end. */
  async peek(): Promise<Row | undefined> {
    if (this.at === this.page.length && this.next !== undefined) {
      this.page = await this.fetch(this.next);
      this.at = 0;
      const last = this.page.at(-1);
      this.next = last === undefined ? undefined : this.key(last) + 1;
    }
    return this.page[this.at];
  }

  /** Takes the next row if its key is below `bound`. */
  async takeBelow(bound: number): Promise<Row | undefined> {
    const row = await this.peek();
    if (row === undefined || this.key(row) >= bound) return undefined;
    this.at += 1;
    return row;
  }
}
