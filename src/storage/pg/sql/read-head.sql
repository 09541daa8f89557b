-- The head row without a lock.
select size, root, compact, block, checkpoint from log_head
