-- @append
insert into log (run, path, attempt, size, packed)
select run, path, attempt, size, packed
from unnest($1::bytea[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[])
with ordinality k(run, path, attempt, size, packed, n) order by n returning number;
-- @kept
select head, tail, tail_first, gap, dropped_rows, dropped_bytes from log_kept
where run = $1 and path = $2 and attempt = $3 for update;
-- @keep
insert into log_kept (run, path, attempt, head, tail, tail_first, gap, dropped_rows, dropped_bytes)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (run, path, attempt) do update set
  head = excluded.head, tail = excluded.tail, tail_first = excluded.tail_first, gap = excluded.gap,
  dropped_rows = excluded.dropped_rows, dropped_bytes = excluded.dropped_bytes;
-- @tail
select number, size from log where run = $1 and path = $2 and attempt = $3 and number >= $4 order by number limit $5;
-- @drop
delete from log where number = any($1::bigint[]);
-- @count
update log set size = 0, packed = $1 where number = $2;
-- @read_run
select number, packed from log where run = $1 and number > $2 order by number limit $3;
-- @read_step
select number, packed from log where run = $1 and path = $2 and number > $3 order by number limit $4;
-- @forget
delete from log where number in (select number from log where run = $1 order by number limit $2) returning 1;
-- @forget_kept
delete from log_kept where run = $1;
