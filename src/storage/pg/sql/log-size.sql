-- Leaves of the log.
select size from log_head
