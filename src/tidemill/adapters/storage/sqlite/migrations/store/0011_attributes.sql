-- Free attributes of runs (path '') and steps (docs/design/stores.md).

create table attribute (
  run blob not null,
  path text not null,
  packed blob not null,
  primary key (run, path)
) strict, without rowid;
