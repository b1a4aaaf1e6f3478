-- @heads
select lane, place, run, path, expires_at, limit_key, home from queue where lane = ? order by place, run, path limit ?;
-- @due
select packed from timer where due_at <= ? order by due_at, run, path, kind limit ?;
-- @expired
select lane, place, run, path, expires_at, limit_key, home from queue where expires_at <= ? order by expires_at, run, path limit ?;
-- @steps_after
select packed from step where run = ? and path > ? order by path limit ?;
-- @queued
select lane, place, run, path, expires_at, limit_key, home from queue where run = ? and path = ?;
-- @queued_after
select lane, place, run, path, expires_at, limit_key, home from queue where run = ? and path > ? order by path limit ?;
-- @children
select id from run
where parent = ? and status in ('pending', 'running', 'paused', 'cancelling', 'halted')
order by id limit ?;
-- @held_by
select packed from attempt where holder = ? order by holder, run, path, number;
-- @lane_counts
select lane, count(*) from queue group by lane order by lane;
-- @forked
select distinct origin from run where origin = ? and ended_at is null and status <> 'removing';
