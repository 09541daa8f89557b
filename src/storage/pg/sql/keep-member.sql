-- Index: member primary key.
insert into member (origin, issued, note) values ($1, $2, $3)
on conflict (origin) do update set issued = excluded.issued, note = excluded.note where member.issued < excluded.issued
