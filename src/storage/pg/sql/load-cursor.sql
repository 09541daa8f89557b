-- Index: follower primary key.
select leaf from follower where name = $1
