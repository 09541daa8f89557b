-- Index: mirror_tile primary key.
select hashes from mirror_tile where log = $1 and level = $2 and idx = $3
