-- @runs
insert into run (id, workflow, status, parent, ended_at, origin, packed) values (?, ?, ?, ?, ?, ?, ?)
on conflict (id) do update set
  workflow = excluded.workflow, status = excluded.status, ended_at = excluded.ended_at, packed = excluded.packed;
-- @scopes
insert into scope (run, path, packed) values (?, ?, ?)
on conflict (run, path) do update set packed = excluded.packed;
-- @steps
insert into step (run, path, packed) values (?, ?, ?)
on conflict (run, path) do update set packed = excluded.packed;
-- @attempts
insert into attempt (run, path, number, holder, packed) values (?, ?, ?, ?, ?)
on conflict (run, path, number) do update set holder = excluded.holder, packed = excluded.packed;
-- @values_drop
delete from value where run = ? and path = ? and port = ?;
-- @values
insert into value (run, path, port, packed) values (?, ?, ?, ?)
on conflict (run, path, port) do update set packed = excluded.packed;
-- @chunks
insert into chunk (run, path, param, number, data) values (?, ?, ?, ?, ?)
on conflict (run, path, param, number) do update set data = excluded.data;
-- @queue_drop
delete from queue where lane = ? and place = ? and run = ? and path = ?;
-- @queue_put
insert into queue (lane, place, run, path, expires_at, limit_key, home) values (?, ?, ?, ?, ?, ?, ?);
-- @queue_take
delete from queue where run = ? and path = ? returning lane;
-- @timers_drop
delete from timer where run = ? and path = ? and kind = ?;
-- @timers_put
insert into timer (run, path, kind, due_at, packed) values (?, ?, ?, ?, ?)
on conflict (run, path, kind) do update set due_at = excluded.due_at, packed = excluded.packed;
-- @streams
insert into stream (run, path, number, first, length, packed) values (?, ?, ?, ?, ?, ?)
on conflict (run, path, number, first) do update set length = excluded.length, packed = excluded.packed;
-- @artifacts
insert into artifact (run, path, name, packed) values (?, ?, ?, ?)
on conflict (run, path, name) do update set packed = excluded.packed;
-- @emitted
insert into emitted (run, number, type, packed) values (?, ?, ?, ?)
on conflict (run, number) do update set type = excluded.type, packed = excluded.packed;
-- @blobs
insert into blob (digest, size, touched_at) values (?, ?, ?)
on conflict (digest) do update set size = excluded.size, touched_at = max(touched_at, excluded.touched_at)
where deleting = 0;
-- @is_blob_there
select 1 from blob where digest = ? and deleting = 0;
-- @blob_refs
insert into blob_ref (run, digest) values (?, ?)
on conflict (run, digest) do nothing;
-- @history
insert into history (run, packed) values (?, ?);
-- @sessions
insert into session (id, live, seen_at, packed) values (?, ?, ?, ?)
on conflict (id) do update set live = excluded.live, seen_at = excluded.seen_at, packed = excluded.packed;
-- @extended
update session set live = ?, seen_at = ?, packed = ? where id = ?;
-- @tasks
insert into task (name, digest, implementation, announced_at, packed) values (?, ?, ?, ?, ?)
on conflict (name, digest, implementation) do update set announced_at = excluded.announced_at, packed = excluded.packed;
-- @limits
insert into limit_row (key, packed) values (?, ?)
on conflict (key) do update set packed = excluded.packed;
-- @cached
insert into cached (key, expires_at, packed) values (?, ?, ?)
on conflict (key) do update set expires_at = excluded.expires_at, packed = excluded.packed;
-- @cached_sweep
delete from cached where key in (select key from cached where expires_at <= ? order by expires_at limit 100);
-- @tagged_drop
delete from run_tag where run = ?;
-- @tagged
insert into run_tag (run, name, text) values (?, ?, ?);
-- @pauses_drop
delete from pause where kind = ? and name = ?;
-- @pauses
insert into pause (kind, name, packed) values (?, ?, ?)
on conflict (kind, name) do update set packed = excluded.packed;
-- @submit_keys
insert into submit_key (name, expires_at, packed) values (?, ?, ?)
on conflict (name) do update set expires_at = excluded.expires_at, packed = excluded.packed;
-- @submit_keys_sweep
delete from submit_key where name in (select name from submit_key where expires_at <= ? order by expires_at limit 100);
-- @lanes
insert into lane (id, packed) values (?, ?)
on conflict (id) do update set packed = excluded.packed;
-- @graphs
insert into graph (digest, created_at, packed) values (?, ?, ?)
on conflict (digest) do update set created_at = excluded.created_at, packed = excluded.packed;
-- @schedules
insert into schedule (name, next_at, busy, packed) values (?, ?, ?, ?)
on conflict (name) do update set next_at = excluded.next_at, busy = excluded.busy, packed = excluded.packed;
-- @schedules_drop
delete from schedule where name = ?;
-- @fires
insert into fire (schedule, number, packed) values (?, ?, ?)
on conflict (schedule, number) do update set packed = excluded.packed;
-- @fires_sweep
delete from fire where schedule = ? and number <= ?;
-- @outbox
insert into outbox (id, hook, due_at, packed) values (?, ?, ?, ?)
on conflict (id) do nothing;
-- @sent
update outbox set due_at = ?, packed = ? where id = ?;
-- @outbox_sweep
delete from outbox where id in
  (select id from outbox where hook = ? and due_at is null order by id desc limit 100 offset ?);
-- @registered
insert into registered (kind, name, packed) values (?, ?, ?)
on conflict (kind, name) do update set packed = excluded.packed;
-- @registered_drop
delete from registered where kind = ? and name = ?;
-- @outbox_drop
delete from outbox where hook = ?;
-- @waits
insert into wait (run, path, workflow, kind, is_open, opened_at, packed) values (?, ?, ?, ?, ?, ?, ?)
on conflict (run, path) do update set is_open = excluded.is_open, opened_at = excluded.opened_at, packed = excluded.packed;
-- @mailboxes
insert into mailbox (run, kind, name, key, packed) values (?, ?, ?, ?, ?)
on conflict (run, kind, name, key) do update set packed = excluded.packed;
-- @mailboxes_drop
delete from mailbox where run = ? and kind = ? and name = ? and key = ?;
-- @signals
insert into signal (run, kind, name, key, id, expires_at, packed) values (?, ?, ?, ?, ?, ?, ?)
on conflict (run, kind, name, key, id) do update set expires_at = excluded.expires_at, packed = excluded.packed;
-- @signals_sweep
delete from signal where (run, kind, name, key, id) in (
  select run, kind, name, key, id from signal where expires_at <= ? order by expires_at limit 100);
-- @attributes
insert into attribute (run, path, packed) values (?, ?, ?)
on conflict (run, path) do update set packed = excluded.packed;
-- @shelves
insert into shelf (owner, kind, name, packed) values (?, ?, ?, ?)
on conflict (owner, kind, name) do update set packed = excluded.packed;
-- @kept_drop
delete from kept where owner = ? and name = ? and key = ?;
-- @kept
insert into kept (owner, name, key, packed) values (?, ?, ?, ?)
on conflict (owner, name, key) do update set packed = excluded.packed;
-- @posted
insert into posted (owner, name, number, packed) values (?, ?, ?, ?)
on conflict (owner, name, number) do update set packed = excluded.packed;
