-- Additive; older processes may go on, and link nothing.
-- A cache over the ledger (`anamnesis rebuild`), like those of 000002: what the sealed parts of manifests say of two patients.

-- Two patients as one person, or as two. Each statement stands twice, once for either side; of a pair the highest seq holds, and its
-- key lets one of two statements win that are made at once. kind, of `patient`: 0 another person than `other`, 1 replaced by `other`,
-- 2 replaces it, 3 the same person and both in use. was_active: Patient.active before the merge (0 not said, 1 true, 2 false), to
-- be put back when it is undone. source_time: milliseconds. leaf: of the manifest.
create table patient_link (
  patient     uuid     not null,
  other       uuid     not null,
  seq         integer  not null,
  kind        smallint not null,
  was_active  smallint not null,
  source_time bigint   not null,
  leaf        bigint   not null,
  primary key (patient, other, seq)
);
