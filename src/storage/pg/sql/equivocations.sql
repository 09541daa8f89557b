-- Index: equivocation primary key.
select origin, size, found_at as "foundAt", first_note as "first", second_note as "second" from equivocation order by id
