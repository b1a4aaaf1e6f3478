create table log (
  number integer primary key autoincrement,
  run blob not null,
  path text not null,
  attempt integer not null,
  size integer not null,
  packed blob not null
) strict;
create index log_by_step on log (run, path, number, attempt);
create index log_by_run on log (run, number);

-- What is kept of one attempt: the head stays; of the tail the oldest row goes when a new one needs its room, and
-- where rows are missing stands one row that counts them, `gap`.
create table kept (
  run blob not null,
  path text not null,
  attempt integer not null,
  head integer not null,
  tail integer not null,
  tail_first integer not null,
  gap integer not null,
  dropped_rows integer not null,
  dropped_bytes integer not null,
  primary key (run, path, attempt)
) strict, without rowid;
