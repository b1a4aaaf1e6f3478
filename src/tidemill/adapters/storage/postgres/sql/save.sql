-- Each statement takes an array for each column; `adapters/storage/postgres/saving.py` joins those that a beat needs.
-- @runs
insert into run (id, workflow, status, parent, ended_at, origin, packed)
select * from unnest($1::bytea[], $2::text[], $3::text[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bytea[])
on conflict (id) do update set
  workflow = excluded.workflow, status = excluded.status, ended_at = excluded.ended_at, packed = excluded.packed
returning packed, xmax = 0 as is_new;
-- @scopes
insert into scope (run, path, packed) select * from unnest($1::bytea[], $2::text[], $3::bytea[])
on conflict (run, path) do update set packed = excluded.packed;
-- @steps
insert into step (run, path, packed) select * from unnest($1::bytea[], $2::text[], $3::bytea[])
on conflict (run, path) do update set packed = excluded.packed;
-- @attempts
insert into attempt (run, path, number, holder, packed)
select * from unnest($1::bytea[], $2::text[], $3::bigint[], $4::bytea[], $5::bytea[])
on conflict (run, path, number) do update set holder = excluded.holder, packed = excluded.packed;
-- @values_drop
delete from value t using unnest($1::bytea[], $2::text[], $3::text[]) k(run, path, port)
where t.run = k.run and t.path = k.path and t.port = k.port;
-- @values
insert into value (run, path, port, packed) select * from unnest($1::bytea[], $2::text[], $3::text[], $4::bytea[])
on conflict (run, path, port) do update set packed = excluded.packed;
-- @chunks
insert into chunk (run, path, param, number, data)
select * from unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::bytea[])
on conflict (run, path, param, number) do update set data = excluded.data;
-- @queue_drop
delete from queue t using unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::text[]) k(lane, place, run, path)
where t.lane = k.lane and t.place = k.place and t.run = k.run and t.path = k.path returning 1;
-- @queue_put
insert into queue (lane, place, run, path, expires_at, limit_key, home)
select * from unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::text[], $5::bigint[], $6::bytea[], $7::bytea[])
on conflict (run, path) do update set
  lane = excluded.lane, place = excluded.place, expires_at = excluded.expires_at, limit_key = excluded.limit_key,
  home = excluded.home;
-- @timers_drop
delete from timer t using unnest($1::bytea[], $2::text[], $3::text[]) k(run, path, kind)
where t.run = k.run and t.path = k.path and t.kind = k.kind;
-- @timers_put
insert into timer (run, path, kind, due_at, packed)
select * from unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::bytea[])
on conflict (run, path, kind) do update set due_at = excluded.due_at, packed = excluded.packed;
-- @streams
insert into stream (run, path, number, first, length, packed)
select * from unnest($1::bytea[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[])
on conflict (run, path, number, first) do update set length = excluded.length, packed = excluded.packed;
-- @artifacts
insert into artifact (run, path, name, packed) select * from unnest($1::bytea[], $2::text[], $3::text[], $4::bytea[])
on conflict (run, path, name) do update set packed = excluded.packed;
-- @emitted
insert into emitted (run, number, type, packed) select * from unnest($1::bytea[], $2::bigint[], $3::text[], $4::bytea[])
on conflict (run, number) do update set type = excluded.type, packed = excluded.packed;
-- @blobs
insert into blob (digest, size, touched_at) select * from unnest($1::bytea[], $2::bigint[], $3::bigint[])
on conflict (digest) do update set
  size = excluded.size, touched_at = greatest(blob.touched_at, excluded.touched_at)
where blob.deleting = 0 returning 1;
-- @blob_refs
insert into blob_ref (run, digest) select * from unnest($1::bytea[], $2::bytea[]) on conflict (run, digest) do nothing;
-- @named
select digest from blob where digest = any($1::bytea[]) and deleting = 0 order by digest for share skip locked;
-- @history
insert into history (number, run, packed)
select mark.base + k.n - 1, k.run, k.packed
from mark, unnest($1::bytea[], $2::bytea[]) with ordinality k(run, packed, n);
-- @mark
select greatest($1::bigint,
  (greatest(pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1, pg_current_xact_id()::text::bigint) << 20)
  | ((nextval('history_turn') & 1023) << 10)) as base;
-- @sessions
insert into session (id, worker, server, live, seen_at, packed)
select * from unnest($1::bytea[], $2::text[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bytea[])
on conflict (id) do update set
  server = excluded.server, live = excluded.live, seen_at = excluded.seen_at, packed = excluded.packed;
-- @extended
update session t set live = k.live, seen_at = k.seen_at, packed = k.packed
from unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[]) k(live, seen_at, packed, id, server)
where t.id = k.id and t.server = k.server;
-- @notes
insert into note (server, packed) select * from unnest($1::bytea[], $2::bytea[]);
-- @tasks
insert into task (name, digest, implementation, announced_at, packed)
select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[])
on conflict (name, digest, implementation) do update set announced_at = excluded.announced_at, packed = excluded.packed;
-- @limits
insert into limit_row (key, packed) select * from unnest($1::bytea[], $2::bytea[])
on conflict (key) do update set packed = excluded.packed returning packed, xmax = 0 as is_new;
-- @cached
insert into cached (key, expires_at, packed) select * from unnest($1::bytea[], $2::bigint[], $3::bytea[])
on conflict (key) do update set expires_at = excluded.expires_at, packed = excluded.packed;
-- @cached_sweep
delete from cached where key in (
  select key from cached where expires_at <= $1 order by expires_at limit 100 for update skip locked);
-- @tagged_drop
delete from run_tag where run = any($1::bytea[]);
-- @tagged
insert into run_tag (run, name, text) select * from unnest($1::bytea[], $2::text[], $3::text[]);
-- @pauses_drop
delete from pause t using unnest($1::text[], $2::text[]) k(kind, name) where t.kind = k.kind and t.name = k.name;
-- @pauses
insert into pause (kind, name, packed) select * from unnest($1::text[], $2::text[], $3::bytea[])
on conflict (kind, name) do update set packed = excluded.packed;
-- @submit_keys
insert into submit_key (name, expires_at, packed) select * from unnest($1::bytea[], $2::bigint[], $3::bytea[])
on conflict (name) do update set expires_at = excluded.expires_at, packed = excluded.packed
returning packed, xmax = 0 as is_new;
-- @submit_keys_sweep
delete from submit_key where name in (
  select name from submit_key where expires_at <= $1 order by expires_at limit 100 for update skip locked);
-- @lanes
insert into lane (id, packed) select * from unnest($1::bytea[], $2::bytea[])
on conflict (id) do update set packed = excluded.packed;
-- @graphs
insert into graph (digest, created_at, packed) select * from unnest($1::bytea[], $2::bigint[], $3::bytea[])
on conflict (digest) do update set created_at = excluded.created_at, packed = excluded.packed;
-- @schedules
insert into schedule (name, next_at, busy, packed)
select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[])
on conflict (name) do update set next_at = excluded.next_at, busy = excluded.busy, packed = excluded.packed
returning packed, xmax = 0 as is_new;
-- @schedules_drop
delete from schedule where name = any($1::text[]);
-- @fires
insert into fire (schedule, number, packed) select * from unnest($1::bytea[], $2::bigint[], $3::bytea[])
on conflict (schedule, number) do update set packed = excluded.packed;
-- @fires_sweep
delete from fire t using unnest($1::bytea[], $2::bigint[]) k(schedule, number)
where t.schedule = k.schedule and t.number <= k.number;
-- @outbox
insert into outbox (id, hook, due_at, packed)
select * from unnest($1::bytea[], $2::text[], $3::bigint[], $4::bytea[]) on conflict (id) do nothing;
-- @sent
update outbox t set due_at = k.due_at, packed = k.packed
from unnest($1::bigint[], $2::bytea[], $3::bytea[]) k(due_at, packed, id) where t.id = k.id;
-- @outbox_sweep
delete from outbox where id in (
  select id from outbox where hook = $1 and due_at is null order by id desc limit 100 offset $2);
-- @registered
insert into registered (kind, name, packed) select * from unnest($1::text[], $2::text[], $3::bytea[])
on conflict (kind, name) do update set packed = excluded.packed;
-- @registered_drop
delete from registered t using unnest($1::text[], $2::text[]) k(kind, name) where t.kind = k.kind and t.name = k.name;
-- @outbox_drop
delete from outbox where hook = any($1::text[]);
-- @waits
insert into wait (run, path, workflow, kind, is_open, opened_at, packed)
select * from unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bytea[])
on conflict (run, path) do update set
  is_open = excluded.is_open, opened_at = excluded.opened_at, packed = excluded.packed;
-- @mailboxes
insert into mailbox (run, kind, name, key, packed)
select * from unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::bytea[])
on conflict (run, kind, name, key) do update set packed = excluded.packed
returning packed, xmax = 0 as is_new;
-- @mailboxes_drop
delete from mailbox t using unnest($1::bytea[], $2::text[], $3::text[], $4::text[]) k(run, kind, name, key)
where t.run = k.run and t.kind = k.kind and t.name = k.name and t.key = k.key;
-- @signals
insert into signal (run, kind, name, key, id, expires_at, packed)
select * from unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bytea[])
on conflict (run, kind, name, key, id) do update set expires_at = excluded.expires_at, packed = excluded.packed
returning packed, xmax = 0 as is_new;
-- @signals_sweep
delete from signal where (run, kind, name, key, id) in (
  select run, kind, name, key, id from signal where expires_at <= $1 order by expires_at limit 100
  for update skip locked);
-- @attributes
insert into attribute (run, path, packed) select * from unnest($1::bytea[], $2::text[], $3::bytea[])
on conflict (run, path) do update set packed = excluded.packed;
-- @shelves
insert into shelf (owner, kind, name, packed) select * from unnest($1::bytea[], $2::text[], $3::text[], $4::bytea[])
on conflict (owner, kind, name) do update set packed = excluded.packed returning packed, xmax = 0 as is_new;
-- @kept_drop
delete from kept t using unnest($1::bytea[], $2::text[], $3::text[]) k(owner, name, key)
where t.owner = k.owner and t.name = k.name and t.key = k.key;
-- @kept
insert into kept (owner, name, key, packed) select * from unnest($1::bytea[], $2::text[], $3::text[], $4::bytea[])
on conflict (owner, name, key) do update set packed = excluded.packed returning packed, xmax = 0 as is_new;
-- @posted
insert into posted (owner, name, number, packed) select * from unnest($1::bytea[], $2::text[], $3::bigint[], $4::bytea[])
on conflict (owner, name, number) do update set packed = excluded.packed;
-- @epochs
update epoch set number = number + 1 where kind in (
  select kind from epoch where kind = any($1::text[]) order by kind for no key update);
-- @may_leave
select digest from blob where digest = any($1::bytea[]) and deleting = 0 order by digest for update skip locked;
-- @leave
update blob set deleting = 1 from unnest($1::bytea[], $2::bigint[]) k(digest, touched_at)
where blob.digest = k.digest and blob.touched_at <= k.touched_at
  and not exists (select 1 from blob_ref where blob_ref.digest = blob.digest);
-- @claim
insert into blob (digest, size, deleting) select digest, size, 1 from unnest($1::bytea[], $2::bigint[]) k(digest, size)
on conflict (digest) do nothing;
-- @drop
delete from blob where digest = any($1::bytea[]) and deleting = 1;
