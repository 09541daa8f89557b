-- Index: follower primary key.
insert into follower (name, leaf) values ($1, $2) on conflict (name) do update set leaf = excluded.leaf
