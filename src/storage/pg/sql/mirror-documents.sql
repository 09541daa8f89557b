-- Index: mirror_document primary key.
select leaf, body as bytes from mirror_document where log = $1 and leaf >= $2 order by leaf limit $3
