-- Additive; older processes must stop first: they would show versions that were withdrawn.
-- Caches over the ledger (`anamnesis rebuild`), like those of 000002: records that a source moved to another patient.

-- Versions that lie in the record of a wrong patient: up to and with `version`. They are answered as gone. leaf: of the manifest that
-- withdrew them.
create table withdrawn (
  resource uuid    not null,
  version  integer not null,
  leaf     bigint  not null,
  primary key (resource, version)
);

-- What is to be moved: the anchor (a visit, an account) has been, by the message at leaf; what hangs on it follows in the background.
-- source, target: patients. id: of the message that says that all is done; control: its keyed control id, by which `message` has it.
create table move (
  leaf    bigint not null,
  anchor  uuid   not null,
  source  uuid   not null,
  target  uuid   not null,
  id      uuid   not null,
  control uuid   not null,
  primary key (leaf, anchor)
);
