-- Index: patient primary key.
select patient::text, wrap, consent_leaf from patient where patient = any($1::uuid[])
