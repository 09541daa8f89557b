-- Index: payload primary key.
select grp, digest, size, body from payload where grp >= $1 order by grp limit $2
