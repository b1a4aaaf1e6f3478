-- Stores and channels of runs and workflows (docs/design/stores.md).

create table shelf (
  owner blob not null,
  kind text not null,
  name text not null,
  packed blob not null,
  primary key (owner, kind, name)
) strict, without rowid;

create table kept (
  owner blob not null,
  name text not null,
  key text not null,
  packed blob not null,
  primary key (owner, name, key)
) strict, without rowid;

create table posted (
  owner blob not null,
  name text not null,
  number integer not null,
  packed blob not null,
  primary key (owner, name, number)
) strict, without rowid;
