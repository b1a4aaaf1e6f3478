-- A key is integers, blobs and paths; beside it stand the columns that SQL filters on; `packed` is the whole row
-- in msgpack (docs/design/store.md).

create table meta (
  name text primary key,
  value blob not null
) strict, without rowid;

create table run (
  id blob primary key,
  workflow text not null,
  status text not null,
  packed blob not null
) strict, without rowid;
create index run_by_status on run (status, id);
create index run_by_workflow on run (workflow, status, id);

create table scope (
  run blob not null,
  path text not null,
  packed blob not null,
  primary key (run, path)
) strict, without rowid;

create table step (
  run blob not null,
  path text not null,
  packed blob not null,
  primary key (run, path)
) strict, without rowid;

-- `holder` is the session while the attempt is live, and null afterwards.
create table attempt (
  run blob not null,
  path text not null,
  number integer not null,
  holder blob,
  packed blob not null,
  primary key (run, path, number)
) strict, without rowid;
create index attempt_by_holder on attempt (holder, run, path, number) where holder is not null;

create table value (
  run blob not null,
  path text not null,
  port text not null,
  packed blob not null,
  primary key (run, path, port)
) strict, without rowid;

create table chunk (
  run blob not null,
  path text not null,
  param text not null,
  number integer not null,
  data blob not null,
  primary key (run, path, param, number)
) strict, without rowid;

-- Deleting a row is the claim.
create table queue (
  lane blob not null,
  place integer not null,
  run blob not null,
  path text not null,
  expires_at integer not null,
  primary key (lane, place, run, path)
) strict, without rowid;
create unique index queue_by_step on queue (run, path);
create index queue_by_expiry on queue (expires_at, run, path);

create table timer (
  run blob not null,
  path text not null,
  kind text not null,
  due_at integer not null,
  packed blob not null,
  primary key (run, path, kind)
) strict, without rowid;
create index timer_by_due on timer (due_at, run, path, kind);

create table stream (
  run blob not null,
  path text not null,
  number integer not null,
  first integer not null,
  length integer not null,
  packed blob not null,
  primary key (run, path, number, first)
) strict, without rowid;

create table artifact (
  run blob not null,
  path text not null,
  name text not null,
  packed blob not null,
  primary key (run, path, name)
) strict, without rowid;

create table blob (
  digest blob primary key,
  size integer not null
) strict, without rowid;

create table blob_ref (
  run blob not null,
  digest blob not null,
  primary key (run, digest)
) strict, without rowid;
create index blob_ref_by_digest on blob_ref (digest, run);

-- The number is the cursor of the feed: it is never used twice, even when the newest rows are deleted.
create table history (
  number integer primary key autoincrement,
  run blob not null,
  packed blob not null
) strict;
create index history_by_run on history (run, number);

create table session (
  id blob primary key,
  live integer not null,
  seen_at integer not null,
  packed blob not null
) strict, without rowid;
create index session_by_seen on session (live, seen_at, id);

create table task (
  name text not null,
  digest text not null,
  announced_at integer not null,
  packed blob not null,
  primary key (name, digest)
) strict, without rowid;

create table graph (
  digest blob primary key,
  created_at integer not null,
  packed blob not null
) strict, without rowid;
create index graph_by_age on graph (created_at, digest);
