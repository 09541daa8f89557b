-- Keeps the evidence and freezes the origin in both roles. Index: accepted_checkpoint primary key (a handful of rows).
with kept as (
  insert into equivocation (origin, size, found_at, first_note, second_note) values ($1, $2, $3, $4, $5)
)
update accepted_checkpoint set frozen = true where origin = $1
