-- Never back. At most one row.
insert into published_checkpoint (one, size, root, checkpoint) values (true, $1, $2, $3)
on conflict (one) do update set size = excluded.size, root = excluded.root, checkpoint = excluded.checkpoint
  where published_checkpoint.size <= excluded.size
