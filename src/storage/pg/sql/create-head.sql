-- Once, at the first start.
insert into log_head (origin, fingerprint, size, root, compact, block, checkpoint)
values ($1, $2, 0, $3, '', -1, '') on conflict do nothing
