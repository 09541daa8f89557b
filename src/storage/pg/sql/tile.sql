-- Index: tile primary key.
select hashes from tile where level = $1 and idx = $2
