-- Index: accepted_checkpoint primary key.
insert into accepted_checkpoint (role, origin, size, root, note, frozen)
values ($1, $2, 0, $3, '', false) on conflict do nothing
