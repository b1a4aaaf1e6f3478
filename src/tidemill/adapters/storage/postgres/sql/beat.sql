-- @wait_for
select 1 from run where id = $1 for update;
-- @hold
with held as materialized (select id, packed from run where id = any($1::bytea[]) order by id for update skip locked)
select k.id, held.packed, held.id is null and exists (select 1 from run where run.id = k.id)
from unnest($1::bytea[]) k(id) left join held on held.id = k.id;
-- @heads
with seen as materialized (
  select l.n, q.place, q.run, q.path, q.lane
  from unnest($1::bytea[]) with ordinality l(lane, n)
  cross join lateral (
    select * from queue where queue.lane = l.lane order by place, run, path limit $3) q),
held as materialized (
  select r.id from (select run, min(place) as place from seen group by run) s join run r on r.id = s.run
  order by s.place, r.id limit $2 * cardinality($1::bytea[]) for update of r skip locked)
select q.lane, q.place, q.run, q.path, q.expires_at, q.limit_key, q.home
from seen join queue q on (q.lane, q.place, q.run, q.path) = (seen.lane, seen.place, seen.run, seen.path)
where exists (select 1 from held where held.id = seen.run)
  or not exists (select 1 from run where run.id = seen.run)
order by seen.n, q.place, q.run, q.path
for update of q skip locked;
-- @waits_elsewhere
select exists (select 1 from queue where lane = any($1::bytea[]));
-- @due
with seen as materialized (
  select run, path, kind from timer where due_at <= $1 order by due_at, run, path, kind limit $2),
held as materialized (
  select id from run where id in (select run from seen) order by id for update skip locked)
select t.packed, t.run
from seen join timer t on (t.run, t.path, t.kind) = (seen.run, seen.path, seen.kind)
where t.due_at <= $1 and (exists (select 1 from held where held.id = seen.run)
  or not exists (select 1 from run where run.id = seen.run))
order by t.due_at, t.run, t.path, t.kind
for update of t skip locked;
-- @expired
with seen as materialized (
  select run, path from queue where expires_at <= $1 order by expires_at, run, path limit $2),
held as materialized (
  select id from run where id in (select run from seen) order by id for update skip locked)
select q.lane, q.place, q.run, q.path, q.expires_at, q.limit_key, q.home
from seen join queue q on (q.run, q.path) = (seen.run, seen.path)
where q.expires_at <= $1 and (exists (select 1 from held where held.id = seen.run)
  or not exists (select 1 from run where run.id = seen.run))
order by q.expires_at, q.run, q.path
for update of q skip locked;
-- @steps_after
select packed from step where run = $1 and path > $2 order by path limit $3;
-- @queued
select q.lane, q.place, q.run, q.path, q.expires_at, q.limit_key, q.home
from unnest($1::bytea[], $2::text[]) with ordinality k(run, path, n)
join queue q on q.run = k.run and q.path = k.path order by k.n;
-- @queued_after
select lane, place, run, path, expires_at, limit_key, home from queue
where run = $1 and path > $2 order by path limit $3;
-- @children
select id from run
where parent = $1 and status in ('pending', 'running', 'paused', 'cancelling', 'halted')
order by id limit $2;
-- @forked
select k.id from unnest($1::bytea[]) k(id)
where exists (select 1 from run where origin = k.id and ended_at is null and status <> 'removing');
-- @held_by
select packed from attempt where holder = any($1::bytea[]) order by holder, run, path, number;
-- @mine
select id from session where id = any($1::bytea[]) and server = $2 and live = 1 order by id
for no key update skip locked;
-- @elsewhere
with held as materialized (
  select id, packed from session where worker = $1 and live = 1 and server <> $2 order by id for update skip locked)
select held.packed from session s left join held on held.id = s.id
where s.worker = $1 and s.live = 1 and s.server <> $2 order by s.id;
-- @orphans
select packed from session s where live = 1 and not exists (
  select 1 from server where server.id = s.server
    and lease_until_at > (extract(epoch from clock_timestamp()) * 1000000)::bigint)
order by id limit $1 for update skip locked;
-- @seated
select id, server from session where id = any($1::bytea[]) and live = 1;
-- @notes
with gone as (
  delete from note where number in (select number from note where server = $1 order by number limit $2)
  returning number, packed)
select packed from gone order by number;
