-- Index: mirror_log_origin_key.
insert into mirror_log (origin, root, prev) values ($1, $2, $3) on conflict do nothing
