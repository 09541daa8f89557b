-- Index: payload primary key. Reads past the sealed groups between two blobs; for exports only.
select grp, digest, size from payload where grp >= $1 and grp < $2 and body is null order by grp limit $3
