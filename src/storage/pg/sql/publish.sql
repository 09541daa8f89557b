-- Never back. Not waited for on disk: what a crash loses is asked for again. At most one row.
insert into published_checkpoint (one, size, root, checkpoint)
select true, $1::bigint, $2::bytea, $3::text from (select set_config('synchronous_commit', 'off', true)) hurry
on conflict (one) do update set size = excluded.size, root = excluded.root, checkpoint = excluded.checkpoint
  where published_checkpoint.size <= excluded.size
