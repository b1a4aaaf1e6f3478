-- @make
insert into meta (name, value) values (?, ?) on conflict (name) do nothing;
-- @kept
select value from meta where name = ?;
-- @is_tagged
select 1 from meta where name = 'tagged';
-- @tag
insert into meta (name, value) values ('tagged', x'01') on conflict (name) do nothing;
-- @runs_after
select packed from run where id > ? order by id limit ?;
-- @is_dated
select 1 from meta where name = 'dated';
-- @date
insert into meta (name, value) values ('dated', x'01') on conflict (name) do nothing;
-- @set_dates
update run set ended_at = ?, origin = ? where id = ?;
-- @chunks_after
select run, path, param, number, data from chunk where (run, path, param, number) > (?, ?, ?, ?)
order by run, path, param, number limit ?;
-- @graphs
select packed from graph order by digest;
-- @schedules
select packed from schedule order by name;
-- @name_if_there
insert into blob_ref (run, digest) select ?1, ?2 where exists (select 1 from blob where digest = ?2)
on conflict (run, digest) do nothing;
