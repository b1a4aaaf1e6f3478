-- Rules that start runs (docs/design/schedules.md). `next_at` is null while nothing comes.

create table schedule (
  name text primary key,
  next_at integer,
  busy integer not null,
  packed blob not null
) strict, without rowid;
create index schedule_by_time on schedule (next_at, name) where next_at is not null;
create index schedule_by_busy on schedule (name) where busy = 1;

create table fire (
  schedule blob not null,
  number integer not null,
  packed blob not null,
  primary key (schedule, number)
) strict, without rowid;
