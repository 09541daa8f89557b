-- Additive; older processes may go on.
-- The network (docs/replication.md): what this gateway has cosigned, what others have cosigned of its log, and what it keeps for others.

-- Last accepted checkpoint of each origin, by role: the witness's last cosigned, the mirror's pending. Moved by compare-and-swap.
create table accepted_checkpoint (
  role   text    not null check (role in ('witness', 'mirror')),
  origin text    not null,
  size   bigint  not null,
  root   bytea   not null,
  note   text    not null,
  frozen boolean not null,
  primary key (role, origin)
);

-- Two trees of one size under one log key. Evidence: only ever inserted.
create table equivocation (
  id          bigint generated always as identity primary key,
  origin      text   not null,
  size        bigint not null,
  found_at    bigint not null,
  first_note  text   not null,
  second_note text   not null
);

-- The newest cosignature of each cosigner on this gateway's own log. at: POSIX seconds, as signed. line: the signature line.
create table cosignature (
  cosigner text   primary key,
  size     bigint not null,
  root     bytea  not null,
  line     text   not null,
  at       bigint not null
);

-- The newest receipt of each mirror of this gateway's own log.
create table mirror_receipt (
  mirror  text   primary key,
  size    bigint not null,
  blobs   bigint not null,
  receipt text   not null
);

-- The newest own checkpoint that the local policy's quorum has cosigned, with its cosignatures.
create table published_checkpoint (
  one        boolean primary key default true check (one),
  size       bigint not null,
  root       bytea  not null,
  checkpoint text   not null
);

-- One row for each log that is mirrored here. next_entry: entries below are stored. size, root, checkpoint: the mirror
-- checkpoint. held: documents and sealed payloads below are stored; compact: compact range of that tree. next_block, prev:
-- number of the next block and the link that it must have. bytes: what this log takes, for its quota.
create table mirror_log (
  log        integer generated always as identity primary key,
  origin     text    not null unique,
  next_entry bigint  not null default 0,
  size       bigint  not null default 0,
  root       bytea   not null,
  checkpoint text    not null default '',
  held       bigint  not null default 0,
  compact    bytea   not null default '',
  next_block bigint  not null default 0,
  prev       bytea   not null,
  bytes      bigint  not null default 0
);

-- Document digests of up to 256 entries, 32 bytes each; the last bundle of a log grows.
create table mirror_bundle (
  log     integer  not null,
  idx     bigint   not null,
  digests bytea    not null,
  primary key (log, idx)
);
alter table mirror_bundle alter column digests set storage external;

-- Full tiles and the root over each.
create table mirror_tile (
  log    integer  not null,
  level  smallint not null,
  idx    bigint   not null,
  hashes bytea    not null,
  root   bytea    not null,
  primary key (log, level, idx)
);
alter table mirror_tile alter column hashes set storage external;

create table mirror_document (
  log  integer not null,
  leaf bigint  not null,
  body bytea   not null,
  primary key (log, leaf)
);
alter table mirror_document alter column body set storage external;

-- As `payload`: grp = leaf * 4096 + ordinal; body: packed sealed group, null for a blob.
create table mirror_payload (
  log    integer not null,
  grp    bigint  not null,
  digest bytea   not null,
  size   bigint  not null,
  body   bytea,
  primary key (log, grp)
);
alter table mirror_payload alter column body set storage external;
create index mirror_payload_blob on mirror_payload (digest) where body is null;

-- Blobs that are named but not here yet.
create table mirror_missing_blob (
  log    integer not null,
  grp    bigint  not null,
  digest bytea   not null,
  size   bigint  not null,
  primary key (log, grp)
);
create index mirror_missing_blob_digest on mirror_missing_blob (digest);

create table mirror_block (
  log        integer not null,
  number     bigint  not null,
  first_leaf bigint  not null,
  size       bigint  not null,
  root       bytea   not null,
  checkpoint text    not null,
  prev       bytea   not null,
  primary key (log, number)
);

-- What members say of themselves: the newest signed member note of each.
create table member (
  origin text   primary key,
  issued bigint not null,
  note   text   not null
);

-- The newest statement of each issuer about each subject.
create table suspension (
  issuer    text    not null,
  subject   text    not null,
  issued    bigint  not null,
  suspended boolean not null,
  statement text    not null,
  primary key (issuer, subject)
);
