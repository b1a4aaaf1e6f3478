-- @append
insert into log (run, path, attempt, size, packed) values (?, ?, ?, ?, ?);
-- @kept
select head, tail, tail_first, gap, dropped_rows, dropped_bytes from kept where run = ? and path = ? and attempt = ?;
-- @keep
insert into kept (run, path, attempt, head, tail, tail_first, gap, dropped_rows, dropped_bytes)
values (?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (run, path, attempt) do update set
  head = excluded.head, tail = excluded.tail, tail_first = excluded.tail_first, gap = excluded.gap,
  dropped_rows = excluded.dropped_rows, dropped_bytes = excluded.dropped_bytes;
-- @tail
select number, size from log where run = ? and path = ? and attempt = ? and number >= ? order by number limit ?;
-- @drop
delete from log where number = ?;
-- @count
update log set size = 0, packed = ? where number = ?;
-- @read_run
select number, packed from log where run = ? and number > ? order by number limit ?;
-- @read_step
select number, packed from log where run = ? and path = ? and number > ? order by number limit ?;
-- @forget
delete from log where number in (select number from log where run = ? limit ?);
-- @forget_kept
delete from kept where run = ?;
