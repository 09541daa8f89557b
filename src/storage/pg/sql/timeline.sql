-- The first eight digits of a WAL file's name are the timeline.
select left(pg_walfile_name(pg_current_wal_lsn()), 8) as timeline
