-- Additive; older processes may go on, and read every message by the profile of their settings.
-- Cache over the ledger (`anamnesis rebuild`), like those of 000002: where the versions of the sources stand. source: keyed digest of its
-- name; leaf: of the document that holds the profile, sealed. The key lets one of two new versions win.
create table source_profile (
  source  uuid    not null,
  version integer not null,
  leaf    bigint  not null,
  primary key (source, version)
);
create index source_profile_leaf on source_profile (leaf);
