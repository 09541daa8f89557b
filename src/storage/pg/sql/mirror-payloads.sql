-- Index: mirror_payload primary key.
select grp, digest, size, body from mirror_payload where log = $1 and grp >= $2 order by grp limit $3
