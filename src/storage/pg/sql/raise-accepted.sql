-- After a rebuild or restore: never below what the ledger says that the witness has accepted. Index: accepted_checkpoint primary key.
insert into accepted_checkpoint (role, origin, size, root, note, frozen) values ('witness', $1, $2, $3, $4, false)
on conflict (role, origin) do update set size = excluded.size, root = excluded.root, note = excluded.note
  where accepted_checkpoint.size < excluded.size
