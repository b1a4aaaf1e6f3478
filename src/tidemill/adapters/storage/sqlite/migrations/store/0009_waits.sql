-- Steps that wait, mailboxes of signals, and the signals of the last week (docs/design/waits.md).

create table wait (
  run blob not null,
  path text not null,
  workflow text not null,
  kind text not null,
  is_open integer not null,
  opened_at integer not null,
  packed blob not null,
  primary key (run, path)
) strict, without rowid;
create index wait_open on wait (run, path) where is_open = 1;
create index wait_by_kind on wait (kind, run, path) where is_open = 1;
create index wait_by_workflow on wait (workflow, kind, run, path) where is_open = 1;

create table mailbox (
  run blob not null,
  kind text not null,
  name text not null,
  key text not null,
  packed blob not null,
  primary key (run, kind, name, key)
) strict, without rowid;

create table signal (
  run blob not null,
  kind text not null,
  name text not null,
  key text not null,
  id text not null,
  expires_at integer not null,
  packed blob not null,
  primary key (run, kind, name, key, id)
) strict, without rowid;
create index signal_by_expiry on signal (expires_at);
