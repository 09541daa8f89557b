-- Index: document primary key.
select leaf, digest, body as bytes from document where leaf >= $1 order by leaf limit $2
