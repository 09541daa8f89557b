-- Index: cosignature primary key.
insert into cosignature (cosigner, size, root, line, at) values ($1, $2, $3, $4, $5)
on conflict (cosigner) do update set size = excluded.size, root = excluded.root, line = excluded.line, at = excluded.at
  where cosignature.size <= excluded.size
