-- Whose log this is.
select origin, fingerprint, size from log_head
