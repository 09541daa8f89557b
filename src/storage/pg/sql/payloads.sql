-- Index: payload primary key.
select grp, lockbox, body from payload where grp = any($1::bigint[]) and body is not null
