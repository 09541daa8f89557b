-- Moves tag counters; returns the first number of each block. Not waiting for the disk is safe: the commit that uses
-- the numbers is later in the same write-ahead log. Index: lockbox primary key.
with off as (select set_config('synchronous_commit', 'off', true))
update lockbox set next_tag = next_tag + $2 from off where leaf = any($1::bigint[]) returning leaf, next_tag - $2 as first
