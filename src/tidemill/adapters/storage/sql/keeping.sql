-- Removing a run: rows of one table, at most so many.
-- @sweep_scope
delete from scope where (run, path) in (select run, path from scope where run = ? limit ?);
-- @sweep_step
delete from step where (run, path) in (select run, path from step where run = ? limit ?);
-- @sweep_attempt
delete from attempt where (run, path, number) in (select run, path, number from attempt where run = ? limit ?);
-- @sweep_value
delete from value where (run, path, port) in (select run, path, port from value where run = ? limit ?);
-- @sweep_chunk
delete from chunk where (run, path, param, number) in (select run, path, param, number from chunk where run = ? limit ?);
-- @sweep_timer
delete from timer where (run, path, kind) in (select run, path, kind from timer where run = ? limit ?);
-- @sweep_stream
delete from stream where (run, path, number, first) in (select run, path, number, first from stream where run = ? limit ?);
-- @sweep_artifact
delete from artifact where (run, path, name) in (select run, path, name from artifact where run = ? limit ?);
-- @sweep_emitted
delete from emitted where (run, number) in (select run, number from emitted where run = ? limit ?);
-- @sweep_wait
delete from wait where (run, path) in (select run, path from wait where run = ? limit ?);
-- @sweep_mailbox
delete from mailbox where (run, kind, name, key) in (select run, kind, name, key from mailbox where run = ? limit ?);
-- @sweep_signal
delete from signal where (run, kind, name, key, id) in (select run, kind, name, key, id from signal where run = ? limit ?);
-- @sweep_run_tag
delete from run_tag where (run, name) in (select run, name from run_tag where run = ? limit ?);
-- @sweep_attribute
delete from attribute where (run, path) in (select run, path from attribute where run = ? limit ?);
-- @sweep_history
delete from history where number in (select number from history where run = ? limit ?);
-- @sweep_posted
delete from posted where (owner, name, number) in (select owner, name, number from posted where owner = ? limit ?);
-- @sweep_kept
delete from kept where (owner, name, key) in (select owner, name, key from kept where owner = ? limit ?);
-- @sweep_shelf
delete from shelf where (owner, kind, name) in (select owner, kind, name from shelf where owner = ? limit ?);
-- @sweep_blob_ref
delete from blob_ref where (run, digest) in (select run, digest from blob_ref where run = ? limit ?);
-- @is_removing
select 1 from run where id = ? and status = 'removing';
-- @sweep_run
delete from run where id = ? and status = 'removing';
-- @leave
update blob set deleting = 1
where digest = ? and touched_at <= ? and not exists (select 1 from blob_ref where blob_ref.digest = blob.digest);
-- @claim
insert into blob (digest, size, deleting) values (?, ?, 1) on conflict (digest) do nothing;
-- @drop
delete from blob where digest = ? and deleting = 1;
-- @workflow
select min(workflow) from run where workflow > ? and ended_at is not null;
-- @ended
select packed from run
where workflow = ? and status = ? and ended_at is not null and (ended_at, id) > (?, ?) and (ended_at, id) <= (?, ?)
order by ended_at, id limit ?;
-- @nth_ended
select ended_at, id from run where workflow = ? and status = ? and ended_at is not null
order by ended_at desc, id desc limit 1 offset ?;
-- @hidden
select packed from run where status in ('importing', 'removing') order by id limit ?;
-- @blobs
select digest, size, touched_at, exists (select 1 from blob_ref where blob_ref.digest = blob.digest), deleting
from blob where digest > ? order by digest limit ?;
-- @leaving
select digest from blob where deleting = 1 order by digest limit ?;
-- @part_runs
select packed from run where id = ?;
-- @part_scopes
select path, packed from scope where run = ? and path >= ? order by path limit ?;
-- @part_steps
select path, packed from step where run = ? and path >= ? order by path limit ?;
-- @part_attempts
select path, number, packed from attempt where run = ? and (path, number) > (?, ?) order by path, number limit ?;
-- @part_values
select path, port, packed from value where run = ? and (path, port) > (?, ?) order by path, port limit ?;
-- @part_chunks
select path, param, number, data from chunk where run = ? and (path, param, number) > (?, ?, ?) order by path, param, number limit ?;
-- @part_streams
select path, number, first, packed from stream where run = ? and (path, number, first) > (?, ?, ?) order by path, number, first limit ?;
-- @part_artifacts
select path, name, packed from artifact where run = ? and (path, name) > (?, ?) order by path, name limit ?;
-- @part_emitted
select number, packed from emitted where run = ? and number > ? order by number limit ?;
-- @part_waits
select path, packed from wait where run = ? and path >= ? order by path limit ?;
-- @part_mailboxes
select kind, name, key, packed from mailbox where run = ? and (kind, name, key) > (?, ?, ?) order by kind, name, key limit ?;
-- @part_signals
select kind, name, key, id, packed from signal where run = ? and (kind, name, key, id) > (?, ?, ?, ?) order by kind, name, key, id limit ?;
-- @part_attributes
select path, packed from attribute where run = ? and path >= ? order by path limit ?;
-- @part_history
select number, packed from history where run = ? and number > ? order by number limit ?;
-- @part_posted
select name, number, packed from posted where owner = ? and (name, number) > (?, ?) order by name, number limit ?;
-- @part_kept
select name, key, packed from kept where owner = ? and (name, key) > (?, ?) order by name, key limit ?;
-- @part_shelves
select kind, name, packed from shelf where owner = ? and (kind, name) > (?, ?) order by kind, name limit ?;
-- @part_blob_refs
select blob_ref.digest, blob.size from blob_ref join blob on blob.digest = blob_ref.digest
where blob_ref.run = ? and blob_ref.digest > ? and blob.deleting = 0 order by blob_ref.digest limit ?;
