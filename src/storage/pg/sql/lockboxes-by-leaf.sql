-- Index: lockbox primary key.
select leaf, slot::text, wrap from lockbox where leaf = any($1::bigint[])
