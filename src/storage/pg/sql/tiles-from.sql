-- Index: tile primary key.
select idx as index, hashes from tile where level = $1 and idx >= $2 order by idx limit $3
