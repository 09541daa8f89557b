-- Wraps of patients' index secrets after a patient (null: from the first). Index: patient primary key.
select patient::text, leaf, wrap from patient where $1::uuid is null or patient > $1::uuid order by patient limit $2
