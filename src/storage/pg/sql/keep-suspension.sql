-- Index: suspension primary key.
insert into suspension (issuer, subject, issued, suspended, statement) values ($1, $2, $3, $4, $5)
on conflict (issuer, subject) do update
  set issued = excluded.issued, suspended = excluded.suspended, statement = excluded.statement
  where suspension.issued < excluded.issued
