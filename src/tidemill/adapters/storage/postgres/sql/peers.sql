-- @look
with moment as materialized (select (extract(epoch from clock_timestamp()) * 1000000)::bigint as at),
alive as (
  insert into server (id, lease_until_at) select $1, at + $2 from moment
  on conflict (id) do update set lease_until_at = excluded.lease_until_at),
mine as (
  update duty set holder = $1, lease_until_at = at + $3 from moment
  where holder = $1 or lease_until_at <= at returning name)
select at,
  (select count(*) from server where id <> $1 and lease_until_at > at),
  array(select name from mine),
  array(select kind from epoch order by kind), array(select number from epoch order by kind),
  coalesce((select number from history
    where number < pg_snapshot_xmin(pg_current_snapshot())::text::bigint << 20 order by number desc limit 1), 0),
  (select min(due_at) from timer),
  exists (select 1 from queue),
  exists (select 1 from note where server = $1),
  exists (select 1 from session s where live = 1 and s.server <> $1 and not exists (
    select 1 from server where server.id = s.server and lease_until_at > at))
from moment;
-- @leave
with gone as (delete from server where id = $1)
update duty set lease_until_at = 0 where holder = $1;
-- @tell
select pg_notify($1, $2);
-- @tidy
with dead as (
  delete from server where lease_until_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint - $1)
delete from note where not exists (select 1 from server where server.id = note.server);
