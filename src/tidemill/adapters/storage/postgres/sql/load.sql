-- @runs
select k.n, t.packed from unnest($1::bytea[]) with ordinality k(id, n) join run t on t.id = k.id
-- @scopes
select k.n, t.packed from unnest($1::bytea[], $2::text[]) with ordinality k(run, path, n)
join scope t on t.run = k.run and t.path = k.path
-- @steps
select k.n, t.packed from unnest($1::bytea[], $2::text[]) with ordinality k(run, path, n)
join step t on t.run = k.run and t.path = k.path
-- @attempts
select k.n, t.packed from unnest($1::bytea[], $2::text[], $3::bigint[]) with ordinality k(run, path, number, n)
join attempt t on t.run = k.run and t.path = k.path and t.number = k.number
-- @values
select k.n, t.packed from unnest($1::bytea[], $2::text[], $3::text[]) with ordinality k(run, path, port, n)
join value t on t.run = k.run and t.path = k.path and t.port = k.port
-- @chunks
select k.n, t.data from unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[])
with ordinality k(run, path, param, number, n)
join chunk t on t.run = k.run and t.path = k.path and t.param = k.param and t.number = k.number
-- @blobs
select k.n, int8send(t.size) from unnest($1::bytea[]) with ordinality k(digest, n)
join blob t on t.digest = k.digest and t.deleting = 0
-- @waits
select k.n, t.packed from unnest($1::bytea[], $2::text[]) with ordinality k(run, path, n)
join wait t on t.run = k.run and t.path = k.path
-- @told
select k.n, t.packed from unnest($1::bytea[], $2::text[]) with ordinality k(run, type, n)
cross join lateral (
  select packed from emitted e where e.run = k.run and e.type = k.type order by number desc limit 1) t
-- @attributes
select k.n, t.packed from unnest($1::bytea[], $2::text[]) with ordinality k(run, path, n)
join attribute t on t.run = k.run and t.path = k.path
-- @limits
select k.n, l.packed from unnest($1::bytea[]) with ordinality k(key, n)
left join lateral (select t.packed from limit_row t where t.key = k.key for update skip locked) l on true
where l.packed is not null or exists (select 1 from limit_row t where t.key = k.key)
-- @cached
select k.n, l.packed from unnest($1::bytea[]) with ordinality k(key, n)
left join lateral (select t.packed from cached t where t.key = k.key for update skip locked) l on true
where l.packed is not null or exists (select 1 from cached t where t.key = k.key)
-- @schedules
select k.n, l.packed from unnest($1::text[]) with ordinality k(name, n)
left join lateral (select t.packed from schedule t where t.name = k.name for update skip locked) l on true
where l.packed is not null or exists (select 1 from schedule t where t.name = k.name)
-- @submit_keys
select k.n, l.packed from unnest($1::bytea[]) with ordinality k(name, n)
left join lateral (select t.packed from submit_key t where t.name = k.name for update skip locked) l on true
where l.packed is not null or exists (select 1 from submit_key t where t.name = k.name)
-- @mailboxes
select k.n, l.packed from unnest($1::bytea[], $2::text[], $3::text[], $4::text[])
with ordinality k(run, kind, name, key, n)
left join lateral (
  select t.packed from mailbox t
  where t.run = k.run and t.kind = k.kind and t.name = k.name and t.key = k.key for update skip locked) l on true
where l.packed is not null or exists (
  select 1 from mailbox t where t.run = k.run and t.kind = k.kind and t.name = k.name and t.key = k.key)
-- @signals
select k.n, l.packed from unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[])
with ordinality k(run, kind, name, key, id, n)
left join lateral (
  select t.packed from signal t
  where t.run = k.run and t.kind = k.kind and t.name = k.name and t.key = k.key and t.id = k.id
  for update skip locked) l on true
where l.packed is not null or exists (
  select 1 from signal t
  where t.run = k.run and t.kind = k.kind and t.name = k.name and t.key = k.key and t.id = k.id)
-- @shelves
select k.n, l.packed from unnest($1::bytea[], $2::text[], $3::text[]) with ordinality k(owner, kind, name, n)
left join lateral (
  select t.packed from shelf t where t.owner = k.owner and t.kind = k.kind and t.name = k.name
  for update skip locked) l on true
where l.packed is not null or exists (
  select 1 from shelf t where t.owner = k.owner and t.kind = k.kind and t.name = k.name)
-- @kept
select k.n, l.packed from unnest($1::bytea[], $2::text[], $3::text[]) with ordinality k(owner, name, key, n)
left join lateral (
  select t.packed from kept t where t.owner = k.owner and t.name = k.name and t.key = k.key
  for update skip locked) l on true
where l.packed is not null or exists (
  select 1 from kept t where t.owner = k.owner and t.name = k.name and t.key = k.key)
