-- What a plain FHIR store keeps: resources as JSONB with all versions, the same index tokens one row a resource, raw messages, audit rows.
create table version (
  resource    uuid    not null,
  version     integer not null,
  type        text    not null,
  source_time bigint  not null,
  body        jsonb   not null,
  primary key (resource, version)
);
create table alias (
  key      text primary key,
  resource uuid not null
);
create table token (
  token     bigint  not null,
  sort_time bigint  not null,
  resource  uuid    not null,
  version   integer not null
);
create index token_scan on token (token, sort_time, resource) include (version);
create table message (
  control text  not null,
  digest  bytea not null,
  raw     bytea not null,
  answer  text  not null,
  primary key (control, digest)
);
create table audit (
  id      uuid   primary key,
  patient uuid,
  at      bigint not null,
  event   jsonb  not null
);
create index audit_patient on audit (patient, at);
