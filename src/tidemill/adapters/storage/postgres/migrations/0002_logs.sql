-- What tasks print and log, apart from beats: losing the last moment of it is allowed.

create table log (
  number bigint generated always as identity primary key,
  run bytea not null,
  path text collate "C" not null,
  attempt bigint not null,
  size bigint not null,
  packed bytea not null
);
create index log_by_step on log (run, path, number, attempt);
create index log_by_run on log (run, number);

-- What is kept of one attempt, as on SQLite: a head that stays, a tail whose oldest rows go, and a row that counts them.
create table log_kept (
  run bytea not null,
  path text collate "C" not null,
  attempt bigint not null,
  head bigint not null,
  tail bigint not null,
  tail_first bigint not null,
  gap bigint not null,
  dropped_rows bigint not null,
  dropped_bytes bigint not null,
  primary key (run, path, attempt)
) with (fillfactor = 50);
