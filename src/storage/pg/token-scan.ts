/**
 * The one builder of dynamic SQL: a scan of the blind index. It takes numbers only; tables and columns are constants.
 * The first list is read in index order, newest first; the others are looked up by group and sort time. A line of a
 * group has one sort time, so lists that hit the same line meet in one (group, sort time) with a common bit in their masks.
 */
import { PAYLOADS_PER_MANIFEST } from '../../core/ids.ts';
import type { TokenScan } from '../../services/record-store.ts';

/** Index: token_scan (token, sort_time, grp) include (mask). */
export function tokenScan(scan: TokenScan): {
  readonly name: string;
  readonly text: string;
  readonly values: unknown[];
} {
  const values: unknown[] = [];
  const bind = (value: unknown): string => `$${values.push(value)}`;
  const tokens = (list: readonly bigint[]): string => `any(${bind(list.map(String))}::bigint[])`;

  const conditions = [`t.grp < ${bind(scan.size * PAYLOADS_PER_MANIFEST)}`];
  if (scan.from !== undefined) conditions.push(`t.sort_time >= ${bind(scan.from)}`);
  if (scan.to !== undefined) conditions.push(`t.sort_time <= ${bind(scan.to)}`);
  if (scan.after !== undefined) {
    conditions.push(`(t.sort_time, t.grp) < (${bind(scan.after.sortTime)}::bigint, ${bind(scan.after.group)}::bigint)`);
  }
  const [driver = [], ...others] = scan.lists;
  const limit = bind(scan.limit);
  // One token: rows come in index order and the limit ends the scan early. Several: their rows are merged by a sort.
  const source =
    driver.length === 1
      ? `select sort_time, grp, mask from token t where token = ${bind(String(driver[0]))}::bigint and ${conditions.join(' and ')}`
      : `select sort_time, grp, bit_or(mask) as mask from token t where token = ${tokens(driver)} and ${conditions.join(' and ')} group by sort_time, grp`;
  const joins = others.map((list, i) => {
    const rows = `select bit_or(mask) as mask from token where token = ${tokens(list)} and sort_time = t0.sort_time and grp = t0.grp`;
    return `cross join lateral (${rows}) j${i}`;
  });
  const mask = ['t0.mask', ...others.map((_, i) => `j${i}.mask`)].join(' & ');
  const text = `
    select c.sort_time as "sortTime", c.grp as "group", c.mask::text as mask, p.lockbox,
           case when row_number() over (partition by c.grp order by c.sort_time desc) = 1 then p.body end as body
      from (select t0.sort_time, t0.grp, ${mask} as mask
              from (${source} order by sort_time desc, grp desc) t0 ${joins.join(' ')}
             where ${mask} <> 0
             order by t0.sort_time desc, t0.grp desc
             limit ${limit}) c
      join payload p on p.grp = c.grp
     order by c.sort_time desc, c.grp desc`;
  return { name: statementName(text), text, values };
}

const names = new Map<string, string>();

/** One prepared statement for each shape; the text holds no values, and there are a few dozen shapes. */
function statementName(text: string): string {
  let name = names.get(text);
  if (name === undefined) names.set(text, (name = `scan-${names.size}`));
  return name;
}
