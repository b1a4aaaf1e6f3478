-- A key is integers, bytes and paths; beside it stand the columns that SQL filters on; `packed` is the whole row in
-- msgpack (docs/design/store.md). Texts are ordered by their bytes. What is packed is not compressed: it is small, or
-- compressed already.

create table meta (
  name text collate "C" primary key,
  value bytea not null
);

-- Its lock is what a beat holds of a run (docs/design/orchestrators.md).
create table run (
  id bytea primary key,
  workflow text collate "C" not null,
  status text collate "C" not null,
  parent bytea,
  ended_at bigint,
  origin bytea,
  packed bytea not null
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
create index run_by_status on run (status, id);
create index run_by_workflow on run (workflow, status, id);
create index run_by_parent on run (parent, id) where parent is not null;
create index run_ended on run (workflow, status, ended_at, id) where ended_at is not null;
create index run_by_origin on run (origin, id) where origin is not null and ended_at is null;

create table run_tag (
  run bytea not null,
  name text collate "C" not null,
  text text collate "C" not null,
  primary key (run, name)
);
create index run_by_tag on run_tag (name, text, run);

create table scope (
  run bytea not null,
  path text collate "C" not null,
  packed bytea not null,
  primary key (run, path)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

create table step (
  run bytea not null,
  path text collate "C" not null,
  packed bytea not null,
  primary key (run, path)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

-- `holder` is the session while the attempt is live, and null afterwards.
create table attempt (
  run bytea not null,
  path text collate "C" not null,
  number bigint not null,
  holder bytea,
  packed bytea not null,
  primary key (run, path, number)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
create index attempt_by_holder on attempt (holder, run, path, number) where holder is not null;

create table value (
  run bytea not null,
  path text collate "C" not null,
  port text collate "C" not null,
  packed bytea not null,
  primary key (run, path, port)
);

create table chunk (
  run bytea not null,
  path text collate "C" not null,
  param text collate "C" not null,
  number bigint not null,
  data bytea not null,
  primary key (run, path, param, number)
);

-- Deleting a row is the claim. Rows come and go at the head of each lane, so that vacuum must come by their number:
-- a share of a long queue would let dead rows pile up where every claim looks.
create table queue (
  lane bytea not null,
  place bigint not null,
  run bytea not null,
  path text collate "C" not null,
  expires_at bigint not null,
  limit_key bytea not null,
  home bytea not null,
  primary key (lane, place, run, path)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000);
create unique index queue_by_step on queue (run, path);
create index queue_by_expiry on queue (expires_at, run, path);

create table timer (
  run bytea not null,
  path text collate "C" not null,
  kind text collate "C" not null,
  due_at bigint not null,
  packed bytea not null,
  primary key (run, path, kind)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000);
create index timer_by_due on timer (due_at, run, path, kind);

create table stream (
  run bytea not null,
  path text collate "C" not null,
  number bigint not null,
  first bigint not null,
  length bigint not null,
  packed bytea not null,
  primary key (run, path, number, first)
);

create table artifact (
  run bytea not null,
  path text collate "C" not null,
  name text collate "C" not null,
  packed bytea not null,
  primary key (run, path, name)
);

create table emitted (
  run bytea not null,
  number bigint not null,
  type text collate "C" not null,
  packed bytea not null,
  primary key (run, number)
);
create index emitted_by_type on emitted (run, type, number);

-- One that is `deleting` counts as missing.
create table blob (
  digest bytea primary key,
  size bigint not null,
  touched_at bigint not null default 0,
  deleting bigint not null default 0
);
create index blob_leaving on blob (digest) where deleting = 1;

create table blob_ref (
  run bytea not null,
  digest bytea not null,
  primary key (run, digest)
);
create index blob_ref_by_digest on blob_ref (digest, run);

-- The number is the cursor of the feed, and rises with transaction ids (docs/design/postgres.md).
create table history (
  number bigint primary key,
  run bytea not null,
  packed bytea not null
);
create index history_by_run on history (run, number);
create sequence history_turn cache 1;

create table limit_row (
  key bytea primary key,
  packed bytea not null
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create table cached (
  key bytea primary key,
  expires_at bigint not null,
  packed bytea not null
);
create index cached_by_expiry on cached (expires_at, key);

create table submit_key (
  name bytea primary key,
  expires_at bigint not null,
  packed bytea not null
);
create index submit_key_by_expiry on submit_key (expires_at, name);

-- `server` is the one that the session hangs on; only there may anything be leased to it.
create table session (
  id bytea primary key,
  worker text collate "C" not null,
  server bytea not null,
  live bigint not null,
  seen_at bigint not null,
  packed bytea not null
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index session_by_seen on session (live, seen_at, id);
create index session_by_worker on session (worker, id) where live = 1;
create index session_by_server on session (server, id) where live = 1;

create table task (
  name text collate "C" not null,
  digest text collate "C" not null,
  implementation text collate "C" not null,
  announced_at bigint not null,
  packed bytea not null,
  primary key (name, digest, implementation)
);

create table graph (
  digest bytea primary key,
  created_at bigint not null,
  packed bytea not null
);
create index graph_by_age on graph (created_at, digest);

create table lane (
  id bytea primary key,
  packed bytea not null
);

create table pause (
  kind text collate "C" not null,
  name text collate "C" not null,
  packed bytea not null,
  primary key (kind, name)
);

-- `next_at` is null while nothing comes.
create table schedule (
  name text collate "C" primary key,
  next_at bigint,
  busy bigint not null,
  packed bytea not null
);
create index schedule_by_time on schedule (next_at, name) where next_at is not null;
create index schedule_by_busy on schedule (name) where busy = 1;

create table fire (
  schedule bytea not null,
  number bigint not null,
  packed bytea not null,
  primary key (schedule, number)
);

create table registered (
  kind text collate "C" not null,
  name text collate "C" not null,
  packed bytea not null,
  primary key (kind, name)
);

-- `due_at` is null once a delivery has ended; then it is the log.
create table outbox (
  id bytea primary key,
  hook text collate "C" not null,
  due_at bigint,
  packed bytea not null
);
create index outbox_by_hook on outbox (hook, id);
create index outbox_by_due on outbox (hook, due_at, id) where due_at is not null;
create index outbox_ended on outbox (hook, id) where due_at is null;

create table wait (
  run bytea not null,
  path text collate "C" not null,
  workflow text collate "C" not null,
  kind text collate "C" not null,
  is_open bigint not null,
  opened_at bigint not null,
  packed bytea not null,
  primary key (run, path)
);
create index wait_open on wait (run, path) where is_open = 1;
create index wait_by_kind on wait (kind, run, path) where is_open = 1;
create index wait_by_workflow on wait (workflow, kind, run, path) where is_open = 1;

create table mailbox (
  run bytea not null,
  kind text collate "C" not null,
  name text collate "C" not null,
  key text collate "C" not null,
  packed bytea not null,
  primary key (run, kind, name, key)
);

create table signal (
  run bytea not null,
  kind text collate "C" not null,
  name text collate "C" not null,
  key text collate "C" not null,
  id text collate "C" not null,
  expires_at bigint not null,
  packed bytea not null,
  primary key (run, kind, name, key, id)
);
create index signal_by_expiry on signal (expires_at);

create table attribute (
  run bytea not null,
  path text collate "C" not null,
  packed bytea not null,
  primary key (run, path)
);

create table shelf (
  owner bytea not null,
  kind text collate "C" not null,
  name text collate "C" not null,
  packed bytea not null,
  primary key (owner, kind, name)
);

create table kept (
  owner bytea not null,
  name text collate "C" not null,
  key text collate "C" not null,
  packed bytea not null,
  primary key (owner, name, key)
);

create table posted (
  owner bytea not null,
  name text collate "C" not null,
  number bigint not null,
  packed bytea not null,
  primary key (owner, name, number)
);

-- Servers that share this store, what one does for all, what they keep in memory, and what they leave for each other.
create table server (
  id bytea primary key,
  lease_until_at bigint not null
) with (fillfactor = 50);

create table duty (
  name text collate "C" primary key,
  holder bytea not null,
  lease_until_at bigint not null
) with (fillfactor = 50);
insert into duty (name, holder, lease_until_at) values ('chores', '', 0);

create table epoch (
  kind text collate "C" primary key,
  number bigint not null
) with (fillfactor = 50);
insert into epoch (kind, number)
values ('tasks', 0), ('graphs', 0), ('lanes', 0), ('pauses', 0), ('registered', 0), ('schedules', 0);

create table note (
  number bigint generated always as identity primary key,
  server bytea not null,
  packed bytea not null
);
create index note_by_server on note (server, number);

alter table value alter column packed set storage external;
alter table chunk alter column data set storage external;
alter table stream alter column packed set storage external;
alter table kept alter column packed set storage external;
alter table posted alter column packed set storage external;
alter table graph alter column packed set storage external;
