-- The counters and the cursor in one statement. Never moves a counter back. Index: lockbox primary key.
with counted as (
  update lockbox set next_tag = greatest(next_tag, n.next)
    from unnest($1::bigint[], $2::bigint[]) as n(leaf, next) where lockbox.leaf = n.leaf)
insert into derivation (block, leaf, records) values ($3, $4, $5)
  on conflict (one) do update set block = excluded.block, leaf = excluded.leaf, records = excluded.records
