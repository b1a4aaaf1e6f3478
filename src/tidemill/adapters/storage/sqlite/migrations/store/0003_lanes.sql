-- A lane whose steps require more than their task does: who has the task finds out here whether it serves the lane.
create table lane (
  id blob primary key,
  packed blob not null
) strict, without rowid;

-- Several implementations of one version are announced side by side.
create table task_by_implementation (
  name text not null,
  digest text not null,
  implementation text not null,
  announced_at integer not null,
  packed blob not null,
  primary key (name, digest, implementation)
) strict, without rowid;
insert into task_by_implementation (name, digest, implementation, announced_at, packed)
select name, digest, '', announced_at, packed from task;
drop table task;
alter table task_by_implementation rename to task;
