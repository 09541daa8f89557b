-- Index: lockbox primary key.
select next_tag as next from lockbox where leaf = $1
