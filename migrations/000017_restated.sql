-- Additive; older processes may go on, and note no restatement.
-- A cache over the ledger (`anamnesis rebuild`), like those of 000002: what the sealed parts of manifests say.

-- A source said again what stands: no new version, but an older statement of that source that arrives later must not overwrite it.
-- source: keyed 32-bit number; source_time: milliseconds; leaf: of the manifest.
create table restated (
  resource    uuid    not null,
  source      integer not null,
  source_time bigint  not null,
  leaf        bigint  not null,
  primary key (resource, source, source_time, leaf)
);
