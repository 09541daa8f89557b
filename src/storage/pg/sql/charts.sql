-- The charts of a person: each asked patient and all who are linked with it, by any chain of links, with the leaf of the last
-- message that changed a Consent of each. $1: patients; $2: only links of leaves below. A patient without links is its own only chart.
-- Index: patient_link primary key, patient primary key. A subselect, not a join: the planner thinks that a chart has many rows and would
-- read all patients.
with recursive chart(root, patient) as (
  select p, p from unnest($1::uuid[]) p
  union
  select c.root, k.other
    from chart c
    cross join lateral (
      select distinct on (other) other, kind from patient_link where patient = c.patient and leaf < $2 order by other, seq desc
    ) k
   where k.kind <> 0
)
select c.root::text, c.patient::text, (select consent_leaf from patient where patient = c.patient) as "consentLeaf" from chart c
