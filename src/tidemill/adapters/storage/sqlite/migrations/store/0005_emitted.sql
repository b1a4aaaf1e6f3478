-- Events that tasks told of their run; the number counts within the run (docs/design/events.md).

create table emitted (
  run blob not null,
  number integer not null,
  type text not null,
  packed blob not null,
  primary key (run, number)
) strict, without rowid;
create index emitted_by_type on emitted (run, type, number);
