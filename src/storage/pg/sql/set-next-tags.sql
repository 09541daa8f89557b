-- Never moves a counter back. Index: lockbox primary key.
update lockbox set next_tag = greatest(next_tag, n.next)
  from unnest($1::bigint[], $2::bigint[]) as n(leaf, next) where lockbox.leaf = n.leaf
