-- Not waited for on disk: what a crash loses is asked for again. Index: cosignature primary key.
insert into cosignature (cosigner, size, root, line, at)
select $1::text, $2::bigint, $3::bytea, $4::text, $5::bigint from (select set_config('synchronous_commit', 'off', true)) hurry
on conflict (cosigner) do update set size = excluded.size, root = excluded.root, line = excluded.line, at = excluded.at
  where cosignature.size <= excluded.size
