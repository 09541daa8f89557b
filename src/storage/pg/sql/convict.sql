-- Keeps the evidence and freezes the origin in both roles, also in the one that has not seen it yet ($6: root of the empty
-- tree). Index: accepted_checkpoint primary key.
with kept as (
  insert into equivocation (origin, size, found_at, first_note, second_note) values ($1, $2, $3, $4, $5)
)
insert into accepted_checkpoint (role, origin, size, root, note, frozen)
values ('mirror', $1, 0, $6, '', true), ('witness', $1, 0, $6, '', true)
on conflict (role, origin) do update set frozen = true
