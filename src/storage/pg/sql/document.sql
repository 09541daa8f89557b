-- Index: document primary key.
select body from document where leaf = $1
