-- Which database this is. The first eight digits of a WAL file's name are the timeline: another after a fail-over or a restore.
-- The oid tells a database that was dropped and made again. A standby, which takes no writes, has no timeline of its own.
select case when pg_is_in_recovery() then 'standby' else left(pg_walfile_name(pg_current_wal_lsn()), 8) end
       || '/' || (select oid from pg_database where datname = current_database()) as identity
