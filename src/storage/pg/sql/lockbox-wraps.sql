-- Wraps of lockboxes after a leaf. Index: lockbox primary key.
select leaf, wrap from lockbox where leaf > $1 order by leaf limit $2
