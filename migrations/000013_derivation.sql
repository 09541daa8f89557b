-- Additive; older processes may go on.
-- Where an interrupted `restore`, `import` or `rebuild` goes on deriving the tables of 000002 from the ledger: blocks below
-- `block` and leaves below `leaf` are derived, with `records` record versions, and every counter of lockboxes is as after them.
-- Gone when the derivation is done.
create table derivation (
  one     boolean primary key default true check (one),
  block   bigint  not null,
  leaf    bigint  not null,
  records bigint  not null
);
