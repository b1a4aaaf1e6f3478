-- @runs
select packed from run where id < ? and status not in ('removing', 'importing') order by id desc limit ?;
-- @runs_of_status
select packed from run where status = ? and id < ? order by id desc limit ?;
-- @runs_of_workflow
select packed from run where workflow = ? and status = ? and id < ? order by id desc limit ?;
-- @runs_of_parent
select packed from run where parent = ? and id < ? and status not in ('removing', 'importing')
order by id desc limit ?;
-- @children
select count(*) from run where parent = ? and status not in ('removing', 'importing');
-- @unfinished
select packed from run where status = ? and id > ? order by id limit ?;
-- @steps
select packed from step where run = ? and path >= ? order by path limit ?;
-- @scopes
select packed from scope where run = ? and path >= ? order by path limit ?;
-- @attempts_of_run
select packed from attempt where run = ? order by path, number limit ?;
-- @attempts_of_step
select packed from attempt where run = ? and path = ? order by number limit ?;
-- @values
select port, packed from value where run = ? and path = ? order by port;
-- @stream
select packed from stream
where run = ?1 and path = ?2 and number = ?3
  and first >= coalesce(
    (select max(first) from stream where run = ?1 and path = ?2 and number = ?3 and first <= ?4), 0)
  and first + length > ?4
order by first limit ?5;
-- @artifacts
select packed from artifact where run = ? order by path, name;
-- @emitted
select packed from emitted where run = ? and number > ? order by number limit ?;
-- @emitted_of_type
select packed from emitted where run = ? and type = ? and number > ? order by number limit ?;
-- @feed
select number, packed from history where number > ? order by number limit ?;
-- @feed_of_run
select number, packed from history where run = ? and number > ? order by number limit ?;
-- @sessions
select packed from session order by live desc, seen_at desc, id desc limit ?;
-- @tasks
select packed from task order by name, announced_at desc, digest, implementation;
-- @lanes
select packed from lane order by id;
-- @graphs
select packed from graph where (created_at, digest) < (?, ?) order by created_at desc, digest desc limit ?;
-- @graph
select packed from graph where digest = ?;
-- @next_due
select min(due_at) from timer;
-- @schedules
select packed from schedule where name > ? order by name limit ?;
-- @schedules_due
select packed from schedule where next_at <= ? order by next_at, name limit ?;
-- @schedules_busy
select packed from schedule where busy = 1 and name > ? order by name limit ?;
-- @next_fire
select min(next_at) from schedule where next_at is not null;
-- @fires
select packed from fire where schedule = ? and number < ? order by number desc limit ?;
-- @registered
select packed from registered order by kind, name;
-- @deliveries
select packed from outbox where hook = ? and id < ? order by id desc limit ?;
-- @delivery
select packed from outbox where id = ?;
-- @due_deliveries
select packed from outbox where hook = ? and due_at is not null order by due_at, id limit ?;
-- @waits
select packed from wait where is_open = 1 and (run, path) > (?, ?) order by run, path limit ?;
-- @waits_of_kind
select packed from wait where is_open = 1 and kind = ? and (run, path) > (?, ?) order by run, path limit ?;
-- @waits_of_workflow
select packed from wait where is_open = 1 and workflow = ? and kind = ? and (run, path) > (?, ?)
order by run, path limit ?;
-- @waits_of_run
select packed from wait where run = ? and path >= ? and is_open >= ? order by path limit ?;
-- @runs_of_tag
select run.packed from run_tag join run on run.id = run_tag.run
where run_tag.name = ? and run_tag.text = ? and run_tag.run < ?
order by run_tag.run desc limit ?;
-- @pauses
select packed from pause order by kind, name;
-- @attributes
select packed from attribute where run = ? and path > ? order by path limit ?;
-- @kept
select packed from kept where owner = ? and name = ? and key > ? and key >= ? and key < ?
order by key limit ?;
-- @posted
select packed from posted where owner = ? and name = ? and number > ? order by number limit ?;
