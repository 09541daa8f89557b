-- First schema; no older process exists.
-- The truth: documents, payloads, blocks and tiles. Append-only. Everything in 000002 can be derived from it and the key file.

-- One row for each leaf. body: compact JWS, ASCII. Incompressible ciphertext inside, hence EXTERNAL.
create table document (
  leaf   bigint primary key,
  digest bytea  not null,
  body   bytea  not null
);
alter table document alter column body set storage external;

-- grp = leaf of the manifest * 4096 + ordinal. lockbox = leaf of the grant that handed its key to this gateway; null for a blob.
-- body: packed sealed group; null for a blob, which stands in the blob store under its digest.
create table payload (
  grp     bigint primary key,
  lockbox bigint,
  digest  bytea  not null,
  size    bigint not null,
  body    bytea
);
alter table payload alter column body set storage external;
-- Blobs by digest: a blob that no manifest names may be swept.
create index payload_blob on payload (digest) where body is null;

-- Full tiles of the log (C2SP tlog-tiles), written once: 256 hashes of 32 bytes.
create table tile (
  level  smallint not null,
  idx    bigint   not null,
  hashes bytea    not null,
  primary key (level, idx)
);
alter table tile alter column hashes set storage external;

-- One row for each group commit. prev = SHA-256 of the previous block's checkpoint text.
create table block (
  number     bigint primary key,
  first_leaf bigint not null,
  size       bigint not null,
  root       bytea  not null,
  checkpoint text   not null,
  prev       bytea  not null
);

-- The one row that every group commit locks first. compact: roots of the maximal complete subtrees, 32 bytes each.
create table log_head (
  one         boolean primary key default true check (one),
  origin      text   not null,
  fingerprint text   not null,
  size        bigint not null,
  root        bytea  not null,
  compact     bytea  not null,
  block       bigint not null,
  checkpoint  text   not null
);
