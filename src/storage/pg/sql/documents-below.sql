-- Documents of the log, newest first. Index: document primary key, read backwards.
select leaf, body from document where leaf < $1 order by leaf desc limit $2
