-- Index: document primary key.
select digest from document where leaf >= $1 and leaf < $2 order by leaf
