-- How the pairs stand among patients and all who are linked with them, undone links included. $1: patients.
-- Index: patient_link primary key.
with recursive chart(patient) as (
  select unnest($1::uuid[])
  union
  select k.other
    from chart c
    cross join lateral (select distinct on (other) other, kind from patient_link where patient = c.patient order by other, seq desc) k
   where k.kind <> 0
)
select k.patient::text, k.other::text, k.seq, k.kind, k.was_active as "wasActive", k.source_time as "sourceTime"
  from chart c
  cross join lateral (select distinct on (other) * from patient_link where patient = c.patient order by other, seq desc) k
