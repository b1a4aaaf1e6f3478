-- Pauses of tasks, queues and workers; and the tags of runs, to find them by (docs/design/control.md).

create table pause (
  kind text not null,
  name text not null,
  packed blob not null,
  primary key (kind, name)
) strict, without rowid;

create table run_tag (
  run blob not null,
  name text not null,
  text text not null,
  primary key (run, name)
) strict, without rowid;
create index run_by_tag on run_tag (name, text, run);
