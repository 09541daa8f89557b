-- Index: member primary key.
select issued, note from member where origin = $1
