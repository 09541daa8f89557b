-- The head row as it is stored.
select origin, size, root, compact, block, checkpoint from log_head
