-- Older processes must stop: statements about members are kept elsewhere from here on.
-- What other gateways have said and this one has anchored (docs/replication.md), each by the leaf of the document that holds it: a cache
-- over the ledger (`anamnesis rebuild`). Only ever inserted.

-- Signed statements that suspend a member or take that back. leaf below 0: kept before statements were anchored.
create table suspension_statement (
  leaf      bigint primary key,
  statement text not null
);
insert into suspension_statement (leaf, statement)
  select -row_number() over (order by issuer, subject), statement from suspension;
drop table suspension;

-- Checkpoints of other logs: one that this gateway's witness has accepted; or, with second_note and found_at (milliseconds), two of
-- one size that contradict each other.
create table peer_checkpoint (
  leaf        bigint primary key,
  note        text not null,
  second_note text,
  found_at    bigint
);
