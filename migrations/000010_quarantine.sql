-- Additive; older processes may go on, and quarantine nothing.
-- Caches over the ledger (`anamnesis rebuild`), like those of 000002.

-- Messages that were taken and not converted, by the leaf of their manifest, which says more of the reason. reason: code. source: keyed
-- 32-bit digest of the source's name. received: milliseconds.
create table quarantine (
  leaf     bigint primary key,
  reason   text    not null,
  source   integer not null,
  received bigint  not null
);

-- What took them out again. original: leaf of the quarantined message; leaf: of the manifest that made something of it. The key
-- lets one of two win.
create table reprocessed (
  original bigint primary key,
  leaf     bigint not null
);
