-- The one row that every group commit locks first, so that commits form one line.
select size, root, compact, block, checkpoint, fingerprint from log_head for update
