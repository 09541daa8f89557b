-- Index: patient primary key.
select patient::text, consent_leaf from patient where patient = any($1::uuid[]) and consent_leaf is not null
