-- Index: mirror_bundle primary key.
select digests from mirror_bundle where log = $1 and idx >= $2 and idx <= $3 order by idx
