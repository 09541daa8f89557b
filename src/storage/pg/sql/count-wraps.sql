-- For a progress bar. Scans both primary keys.
select (select count(*) from lockbox) + (select count(*) from patient) as n
