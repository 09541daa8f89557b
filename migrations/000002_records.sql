-- First schema; no older process exists.
-- Caches over the ledger: every row can be derived again (`anamnesis rebuild`). Keys are keyed digests: nothing here names
-- a person, a code or a value. Times, sizes and row counts stand in clear (THREATS.md).

-- A lockbox of this gateway. leaf: of the grant to this gateway. slot: HMAC of patient, label set and epoch.
-- wrap: the sealed part of that grant, under the master key. next_tag: first tag number not yet reserved.
create table lockbox (
  leaf     bigint primary key,
  slot     uuid   not null unique,
  wrap     bytea  not null,
  next_tag bigint not null
);

-- A patient known here. wrap: the patient's index secret under the master key. consent_leaf: last message that changed a Consent of the patient.
create table patient (
  patient      uuid   primary key,
  leaf         bigint not null,
  wrap         bytea  not null,
  consent_leaf bigint
);

-- Business key (full HMAC) -> resource.
create table alias (
  hash     bytea primary key,
  resource uuid  not null
);

-- One row for each version of each resource. Current is the highest version; a version is valid from its leaf to its successor's.
-- source: keyed 32-bit digest of the source's name; source_time: milliseconds, for the order rule of one source.
create table record (
  resource    uuid     not null,
  version     integer  not null,
  grp         bigint   not null,
  line        smallint not null,
  source      integer  not null,
  source_time bigint   not null,
  primary key (resource, version)
);

-- Blind index: a keyed 64-bit token and a sort time in a sealed group; mask: which lines. Rows are only inserted; one index-only
-- scan answers a search newest first, since the index can be read backwards.
create table token (
  token     bigint not null,
  sort_time bigint not null,
  grp       bigint not null,
  mask      bigint not null
);
create index token_scan on token (token, sort_time, grp) include (mask);

-- Messages by the source's control id and keyed digest of the bytes: a resend finds its manifest, which holds the stored answer.
-- thread: keyed digest of what it belongs to besides its patient (a DICOM study), for followers.
create table message (
  control uuid   not null,
  digest  uuid   not null,
  leaf    bigint not null,
  thread  uuid,
  primary key (control, digest)
);
create index message_threads on message (leaf) where thread is not null;
create index message_thread on message (thread, leaf) where thread is not null;

-- Cursors of the followers: next leaf to read.
create table follower (
  name text   primary key,
  leaf bigint not null
);
