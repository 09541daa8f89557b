-- Moves tag counters; returns the first number of each block. Waits for the disk: a reservation that the database forgot in a crash
-- would be made again while the process that made it goes on drawing from it, and two groups would have one tag. Index: lockbox primary key.
update lockbox set next_tag = next_tag + $2 where leaf = any($1::bigint[]) returning leaf, next_tag - $2 as first
