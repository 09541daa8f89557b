-- Index: mirror_tile primary key.
select root from mirror_tile where log = $1 and level = $2 and idx >= $3 and idx < $4 order by idx
