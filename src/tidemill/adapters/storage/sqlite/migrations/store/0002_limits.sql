-- Limits on starts, steps that wait for one, and results that stand for later calls (docs/design/limits.md).

alter table queue add column limit_key blob not null default x'';
alter table queue add column home blob not null default x'';

create table limit_row (
  key blob primary key,
  packed blob not null
) strict, without rowid;

create table cached (
  key blob primary key,
  expires_at integer not null,
  packed blob not null
) strict, without rowid;
create index cached_by_expiry on cached (expires_at, key);
