-- What differs from `sql/queries.sql`: the feed ends below the oldest transaction that is still open, since rows of such
-- a one may appear among those before it.
-- @feed
select number, packed from history
where number > $1 and number < pg_snapshot_xmin(pg_current_snapshot())::text::bigint << 20
order by number limit $2;
-- @feed_of_run
select number, packed from history
where run = $1 and number > $2 and number < pg_snapshot_xmin(pg_current_snapshot())::text::bigint << 20
order by number limit $3;
-- @queued
select q.lane, q.place, q.run, q.path, q.expires_at, q.limit_key, q.home
from unnest($1::bytea[], $2::text[]) with ordinality k(run, path, n)
join queue q on q.run = k.run and q.path = k.path order by k.n;
-- @queue_counts
select lane, count(*) from queue group by lane order by lane;
